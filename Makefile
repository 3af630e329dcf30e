# `make` lists what there is. Each target installs what it needs from pinned lists.

CARGO ?= cargo
PYTHON ?= python3
VENV := target/venv-models
CLIENTS := target/venv-clients
FETCH := $(PYTHON) infra/fetch/fetch.py
# The official ONNX Runtime builds report to Microsoft unless told not to; the programs say so themselves.
export ORT_DISABLE_TELEMETRY := 1
# One choice of packages for all tests: another would build the dependencies again with other features.
BINARIES := $(CARGO) build --workspace --bins --locked
# What bench-peers measures, and what with.
BENCH_PROFILE ?= release
PEER_STAMPS := $(foreach peer,handler keras litserve openvino,target/venv-peer-$(peer)/.stamp)
PEERS_PYTHON = PYTHONPATH=tests/peers:docs/scaling $(VENV)/bin/python -m glimpse_peers

.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# The Rust tests first, which build what the others use and measure themselves; then the others two at a time, the
# longest first.
TESTS := test-rust -- test-edge-package test-models fuzz-smoke test-jpeg test-stack test-import test-arm test-clients \
	lint-template test-scaling test-browser test-upgrading test-pictures test-sam-local test-image

# What compiles libjpeg-turbo.
demo check docs test-rust test-upgrading test-clients test-import test-architectures openapi test-browser test-edge-package test-stack bench-stages bench-lambda bench-peers bench-edge bench-operators bench-labels image test-image test-pictures soak fuzz fuzz-smoke: build-tools

demo: onnxruntime emulator pictures ## classify a real picture through the Lambda runtime, each model in S3 (MODEL=default or imagenet-lite: this one; ONCE=1: then stop)
	@echo "building the function; the first time takes minutes …"
	$(CARGO) build --profile demo --locked --package glimpse-http-api --package glimpse-tests --bins
	@target/demo/demo $(if $(MODEL),--model $(MODEL)) $(if $(ONCE),--once)

test: ## set up and run all the tests
	@MAKE="$(MAKE)" infra/run-tests $(TESTS)

check: deny docs circles ## formatting, clippy and docs with warnings denied, licences, circles, lock files, links
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --package glimpse-classifier --no-default-features --locked -- -D warnings
	infra/check-locks
	@infra/check-workflows
	@$(PYTHON) infra/check_links.py

docs: ## the crates' documentation in target/doc, with warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

deny: ## licences, sources and known vulnerabilities of the Rust dependencies
	@infra/check-dependencies

circles: ## import circles inside the Rust crates and the Python package
	@$(PYTHON) infra/check_circles.py

test-rust: onnxruntime openvino emulator pictures $(VENV)/.stamp target/venv-pictures/.stamp ## unit, contract, end-to-end, faults, parity
	$(BINARIES)
	$(CARGO) test --workspace --locked

test-clients: onnxruntime emulator $(CLIENTS)/.stamp ## official clients, schemathesis and the snippets of docs/api.md against the server
	$(BINARIES)
	$(CARGO) build --workspace --locked --example api_client
	$(CLIENTS)/bin/python -m pytest -p no:cacheprovider tests/clients

openapi: ## write docs/openapi.json anew
	$(CARGO) build --workspace --locked --example openapi
	target/debug/examples/openapi

test-models: $(VENV)/.stamp ## the Python package: tests, types, style
	cd models && ../$(VENV)/bin/python -m pytest
	cd models && ../$(VENV)/bin/mypy && ../$(VENV)/bin/ruff check && ../$(VENV)/bin/ruff format --check

test-import: onnxruntime pictures $(VENV)/.stamp ## three networks of torchvision as bundles against their own pipelines, and five mistakes
	$(BINARIES)
	PYTHONPATH=models $(VENV)/bin/python -m pytest -q -p no:cacheprovider tests/architectures -k "in_every_test or mistake"

test-architectures: onnxruntime pictures target/venv-architectures/.stamp ## the same for networks of timm, Hugging Face, Keras and more of torchvision, in an environment of its own
	$(BINARIES)
	PYTHONPATH=models target/venv-architectures/bin/python -m pytest -rA -p no:cacheprovider tests/architectures

test-upgrading: onnxruntime $(VENV)/.stamp ## every name of 0.1.0 works, or fails with its successor's name
	$(BINARIES)
	$(VENV)/bin/python -m pytest -q -p no:cacheprovider -o pythonpath="models infra" tests/upgrading

test-scaling: $(VENV)/.stamp ## the simulation of docs/scaling.md and the harness of docs/performance.md: tests, types, style, fresh tables and plots
	cd docs/scaling && ../../$(VENV)/bin/python -m pytest && ../../$(VENV)/bin/mypy
	cd tests/peers && PYTHONPATH=.. ../../$(VENV)/bin/python -m pytest -p no:cacheprovider -p skips && ../../$(VENV)/bin/mypy
	$(VENV)/bin/ruff check docs infra tests/peers tests/baseline && $(VENV)/bin/ruff format --check docs infra tests/peers tests/baseline

lint-template: ## the SAM template: schemas, security rules, least privilege
	@infra/lint-template

test-browser: onnxruntime emulator pictures ## the web page in Chromium; screenshots in target/screenshots
	$(BINARIES)
	@tests/browser/run

test-edge-package: onnxruntime openvino pictures target/venv-edge/.stamp ## the edge package, installed on a bare Debian without a network
	$(BINARIES)
	cd infra/edge && PYTHONPATH=../../tests ../../target/venv-edge/bin/python -m pytest -p skips

test-arm: pictures $(VENV)/.stamp ## both bundles on 64-bit ARM, under QEMU
	cd models && PYTHONPATH=../tests ../$(VENV)/bin/python -m pytest -p skips -p no:cacheprovider ../tests/arm

test-jpeg: build-tools pictures $(VENV)/.stamp ## the JPEG decoder built without NASM, and for 64-bit ARM under QEMU
	PYTHONPATH=tests $(VENV)/bin/python -m pytest -p skips -p no:cacheprovider tests/jpeg

test-pictures: target/venv-pictures/.stamp ## every format, variant, orientation and damage against Pillow (tests/pictures/compare FOLDER: your own pictures)
	$(CARGO) build --workspace --locked --example pixels
	target/venv-pictures/bin/python tests/pictures/test_pictures.py

fuzz: target/venv-pictures/.stamp ## fuzz decoders, bundle.json, requests and events (SECONDS=600 each, TARGETS="heic avif")
	tests/fuzz/run $(or $(SECONDS),600) $(TARGETS)

soak: onnxruntime ## half an hour of honest clients and 5 % hostile ones against serve in 1 GB (SECONDS=1800)
	$(BINARIES)
	SOAK_SECONDS=$(or $(SECONDS),1800) $(CARGO) test --workspace --locked --test siege -- --ignored --nocapture

fuzz-smoke: target/venv-pictures/.stamp ## a minute of that, over kept findings first
	@tests/fuzz/run 3 $(TARGETS)

test-stack: onnxruntime target/venv-stack/.stamp ## the whole stack, deployed with sam into a local AWS emulator
	@infra/tools/install
	$(BINARIES)
	target/venv-stack/bin/python -m pytest tests/stack

test-sam-local: target/venv-stack/.stamp ## the sample events through sam local invoke, where a Docker engine runs and infra/sam-build was run
	@infra/sam-build --check >/dev/null
	@infra/test-sam-local

build-tools: ## install cmake and nasm, which the C code is built with
	@infra/tools/build-tools

onnxruntime: ## fetch the ONNX Runtime library
	@$(FETCH) onnxruntime

openvino: ## fetch OpenVINO as an execution provider (x86-64 only)
	@$(FETCH) openvino

emulator: ## fetch AWS's runtime interface emulator
	@$(FETCH) emulator

pictures: ## fetch freely licensed pictures
	@$(FETCH) pictures

package: onnxruntime ## build with sam what is deployed, check its size, and describe it (target/sbom)
	infra/sam-build
	$(PYTHON) infra/package-size.py
	$(PYTHON) infra/sbom.py target/sbom

reproducible: ## build the HTTP function's zip in two folders and compare them byte for byte (takes long)
	infra/reproducible

edge: ## package glimpse for machines at the edge: .tar.gz and .deb in target/edge (ARCH=aarch64: for the other processor; MODEL=imagenet-lite: with the small model; PROVIDER=openvino: a second package with that)
	MODEL="$(MODEL)" PROVIDER="$(PROVIDER)" infra/edge/build

image: ## a function's container image for Lambda (FUNCTION=http-api or s3-events, BASE=debian: of Debian's packages instead of AWS's image)
	FUNCTION="$(FUNCTION)" BASE="$(BASE)" TAG="$(TAG)" infra/image/build

image-template: ## template.yaml for these images, with SnapStart, as target/image/template.yaml
	@infra/tools/install
	@target/venv-tools/bin/python infra/image_template.py $(if $(HTTP_IMAGE),--http-api "$(HTTP_IMAGE)") $(if $(EVENTS_IMAGE),--s3-events "$(EVENTS_IMAGE)")

test-image: onnxruntime pictures ## the image on Debian against a runtime API that knows snapshots (skipped where no container engine runs)
	@infra/image/test

# Of the default bundle's weights.
LICENSE := MIT OR Apache-2.0; trained on Tiny-ImageNet pictures, whose own terms apply

imagenet-model: $(VENV)/.stamp ## torchvision's ImageNet weights as a bundle (PICTURES=folder OUT=folder; needs a network)
	cd models && ../$(VENV)/bin/python -m glimpse_models imagenet --pictures $(abspath $(PICTURES)) --out $(abspath $(OUT))

default-model: $(VENV)/.stamp ## finished training runs as models/default and its card (DATA=folder RUN="folders, in order" VERSION=1.2.3 SIDE=pixels METHOD=of calibration)
	cd models && ../$(VENV)/bin/python -m glimpse_models build --data $(abspath $(DATA)) --name resnet50-tiny-imagenet --version $(VERSION) $(if $(SIDE),--side $(SIDE)) $(if $(METHOD),--method $(METHOD)) --runs $(abspath $(RUN)) --no-cpu-graph --license "$(LICENSE)" --out default

scaling: $(VENV)/.stamp ## simulate 1 to 10,000 pictures a second: plots and tables of docs/scaling.md, docs/backfill.md
	cd docs/scaling && ../../$(VENV)/bin/python -m glimpse_scaling

bench: bench-stages bench-outputs bench-operators $(if $(filter x86_64,$(shell uname -m)),bench-labels) bench-peers bench-edge ## measure: the engine's stages, Glimpse beside its peers, the edge

bench-stages: onnxruntime pictures ## measure decode, preprocess, infer and rank
	$(CARGO) bench --locked --package glimpse-classifier --bench stages

bench-outputs: $(VENV)/.stamp ## measure what explanation and embedding cost a request that asks for neither
	cd models && ../$(VENV)/bin/python -m glimpse_models overhead --bundle default --json ../target/peers/outputs.json

bench-operators: $(VENV)/.stamp target/venv-peer-openvino/.stamp target/bundle-224 ## measure where a run of the model spends its time, and what settings, other forms, OpenVINO and the processor would give
	$(CARGO) build --workspace --locked --example peak
	cd models && ../$(VENV)/bin/python -m glimpse_models operators --bundle ../target/bundle-224 --openvino ../target/venv-peer-openvino/bin/python --peak ../target/debug/examples/peak --json ../target/peers/operators.json

bench-labels: onnxruntime openvino pictures $(VENV)/.stamp ## compare the labels of pictures by OpenVINO as a provider with those by the CPU provider (PICTURES=folder: your own)
	$(BINARIES)
	$(CARGO) build --workspace --locked --examples
	GLIMPSE_BENCH_PROFILE=dev $(PEERS_PYTHON) labels $(if $(PICTURES),--pictures $(abspath $(PICTURES)))

bench-lambda: bench-peers ## the same for the function and the Python handler alone: cold start, latency, memory
bench-lambda: MEASURED := --parts starts --peers function handler handler-draft --results target/peers/lambda.json

bench-peers: onnxruntime $(if $(filter x86_64,$(shell uname -m)),openvino) emulator pictures target/bundle-224-optimized $(VENV)/.stamp $(PEER_STAMPS) ## Glimpse beside what users would pick instead (ROUNDS=8: 45 minutes; QUICK=1: seven): docs/performance.md
	$(CARGO) build --profile $(BENCH_PROFILE) --locked --package glimpse-http-api --package glimpse-edge --bins
	$(CARGO) build --workspace --locked --examples
	GLIMPSE_BENCH_PROFILE=$(BENCH_PROFILE) $(PEERS_PYTHON) measure $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick) $(MEASURED)

performance-docs: $(VENV)/.stamp ## fill docs/performance.md and draw its plots from what bench-peers measured
	$(PEERS_PYTHON) document

bench-edge: onnxruntime pictures target/bundle-224-optimized ## measure serve under 1 to 64 clients and classify, against another build (GLIMPSE_BENCH_BASELINE=glimpse) and the bare session (PROFILE=demo: without the long build)
	$(CARGO) build --profile $(or $(PROFILE),release) --locked --package glimpse-edge --bins
	$(CARGO) bench --profile $(or $(PROFILE),bench) --locked --package glimpse-tests --bench edge

# The default bundle's weights at 224 pixels: the size that ResNet50 is known at.
target/bundle-224: models/default/bundle.json $(VENV)/.stamp
	cd models && ../$(VENV)/bin/python -m glimpse_models resize --bundle default --side 224 --resize 256 --out ../$@
	@touch $@

target/bundle-224-optimized: target/bundle-224
	cd models && ../$(VENV)/bin/python -m glimpse_models optimize --bundle ../$< --version optimized --out ../$@
	@touch $@

$(VENV)/.stamp: models/requirements.txt models/requirements-dev.txt
	@infra/tools/install-models $(@D)
	@touch $@

target/venv-architectures/.stamp: models/requirements.txt models/requirements-dev.txt tests/architectures/requirements.txt
	@infra/tools/install-models $(@D) tests/architectures/requirements.txt
	@touch $@

target/venv-stack/.stamp: tests/stack/requirements.txt
target/venv-edge/.stamp: infra/edge/requirements.txt
target/venv-pictures/.stamp: tests/pictures/requirements.txt
$(CLIENTS)/.stamp: tests/clients/requirements.txt

target/venv-stack/.stamp target/venv-edge/.stamp target/venv-pictures/.stamp $(CLIENTS)/.stamp:
	@infra/tools/venv $(@D) $<
	@touch $@

target/venv-peer-%/.stamp: tests/baseline/%.txt
	@infra/tools/venv $(@D) $<
	@touch $@

.PHONY: help demo test soak check docs deny circles fuzz fuzz-smoke test-rust test-arm test-jpeg test-pictures test-clients openapi test-models test-import test-architectures test-upgrading test-scaling lint-template test-browser test-edge-package edge image image-template test-image test-sam-local package reproducible imagenet-model default-model scaling build-tools onnxruntime openvino emulator pictures bench bench-stages bench-outputs bench-operators bench-labels bench-lambda bench-peers performance-docs bench-edge
