//! Loading over real S3 protocol and files, with the faults that networks and disks have.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use glimpse_classifier::{Explain, Graph, Options, Prediction, Timing};
use glimpse_model_store::{
    FailureKind, LoadedFrom, ModelSource, ModelStore, Refreshed, Sha256Digest, StoreConfig,
};
use glimpse_objects::Objects;
use glimpse_tests::s3::{Fault, S3Server};
use glimpse_tests::workspace;
use tempfile::TempDir;

const BUCKET: &str = "models";
const PREFIX: &str = "resnet50/1";

/// A published bundle and an empty cache.
struct Scene {
    server: S3Server,
    cache: TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self::unpublished();
        scene.server.publish(&bundle(), BUCKET, PREFIX);
        scene
    }

    fn unpublished() -> Self {
        // The server blocks while it starts, which a test's own runtime does not allow.
        let server = std::thread::spawn(|| S3Server::start(&[BUCKET])).join().unwrap();
        Self { server, cache: tempfile::tempdir().unwrap() }
    }

    fn config(&self) -> StoreConfig {
        let source = ModelSource::S3 { bucket: BUCKET.into(), prefix: PREFIX.into() };
        StoreConfig { cache_dir: Some(self.cache.path().into()), ..config(source) }
    }

    fn objects(&self) -> Objects {
        Objects::with_client(self.server.client())
    }

    /// A store as a new process would have it: nothing in memory.
    fn store(&self) -> ModelStore {
        ModelStore::new(self.config(), self.objects())
    }

    /// The same with a cache folder of its own, which is empty.
    fn uncached(&self) -> ModelStore {
        let cache_dir = Some(self.cache.path().join("empty"));
        ModelStore::new(StoreConfig { cache_dir, ..self.config() }, self.objects())
    }

    /// How many loads asked for the description.
    fn loads(&self) -> usize {
        self.downloads("bundle.json")
    }

    /// How often anything was read of the objects whose keys end so.
    fn downloads(&self, key_ends_with: &str) -> usize {
        let requests = self.server.faults().requests(key_ends_with);
        requests.iter().filter(|line| line.starts_with("GET")).count()
    }

    fn model_downloads(&self) -> usize {
        let requests = self.server.faults().requests("model.onnx");
        requests.iter().filter(|line| line.contains("bytes=0-")).count()
    }

    /// Load once, and wait until the bundle is in the cache; gives the entry's folder.
    async fn fill_cache(&self) -> PathBuf {
        self.store().get().await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(entry) = entry(self.cache.path()) {
                return entry;
            }
            assert!(Instant::now() < deadline, "the bundle is not cached");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn entry(cache: &Path) -> Option<PathBuf> {
    let folder = cache.read_dir().ok()?.next()?.ok()?.path();
    let mut entries = folder.read_dir().ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries.find(|path| path.file_name().is_none_or(|name| name.as_encoded_bytes()[0] != b'.'))
}

fn config(source: ModelSource) -> StoreConfig {
    StoreConfig { ort_library: workspace::ort_library(), ..StoreConfig::new(source) }
}

/// The default bundle, or the one that `GLIMPSE_TEST_BUNDLE` names.
fn bundle() -> PathBuf {
    std::env::var_os("GLIMPSE_TEST_BUNDLE").map_or_else(workspace::default_bundle, PathBuf::from)
}

fn description_digest() -> Sha256Digest {
    Sha256Digest::of(&std::fs::read(bundle().join("bundle.json")).unwrap())
}

async fn failure(store: &ModelStore) -> FailureKind {
    store.get().await.err().expect("the load fails").kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_loaded() {
    let store = ModelStore::new(config(ModelSource::Folder(bundle())), Objects::from_env());
    store.get().await.unwrap();
    assert!(store.ready().is_some());
    assert_eq!(store.last_load().unwrap().loaded_from, LoadedFrom::Folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_is_loaded_and_the_next_start_downloads_no_model() {
    let scene = Scene::new();
    scene.fill_cache().await;
    assert_eq!(scene.model_downloads(), 1);
    let next = scene.store();
    next.get().await.unwrap();
    assert_eq!(next.last_load().unwrap().loaded_from, LoadedFrom::Cache);
    assert_eq!(scene.model_downloads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_with_an_expected_digest_is_taken_from_the_cache_without_a_request() {
    let scene = Scene::new();
    scene.fill_cache().await;
    let before = scene.server.faults().requests("").len();
    let config = StoreConfig { expected_digest: Some(description_digest()), ..scene.config() };
    ModelStore::new(config, scene.objects()).get().await.unwrap();
    assert_eq!(scene.server.faults().requests("").len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_cache_entry_is_fetched_again() {
    let scene = Scene::new();
    let model = scene.fill_cache().await.join("model.onnx");
    let mut content = std::fs::read(&model).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&model, content).unwrap();
    let next = scene.store();
    next.get().await.unwrap();
    assert_eq!(next.last_load().unwrap().loaded_from, LoadedFrom::S3);
    assert_eq!(scene.model_downloads(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_byte_is_refused_and_the_failure_not_kept() {
    let scene = Scene::new();
    scene.server.faults().plan("model.onnx", Fault::FlipBit, 1);
    let store = scene.store();
    assert_eq!(failure(&store).await, FailureKind::Integrity);
    assert!(store.ready().is_none());
    store.get().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_with_another_digest_than_expected_is_refused() {
    let scene = Scene::new();
    let config =
        StoreConfig { expected_digest: Some(Sha256Digest::of(b"another")), ..scene.config() };
    let store = ModelStore::new(config, scene.objects());
    assert_eq!(failure(&store).await, FailureKind::Integrity);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_cause_one_download() {
    let scene = Scene::new();
    let store = scene.store();
    let loads = join_all((0..64).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.get().await.map(drop) })
    }));
    for load in loads.await {
        load.unwrap().unwrap();
    }
    assert_eq!(scene.model_downloads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up_does_not_cancel_the_load() {
    let scene = Scene::new();
    let store = scene.store();
    scene.server.faults().plan("bundle.json", Fault::Delay(Duration::from_millis(200)), 1);
    let hurried = tokio::time::timeout(Duration::from_millis(20), store.get()).await;
    assert!(hurried.is_err());
    store.get().await.unwrap();
    assert_eq!(scene.model_downloads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_body_is_resumed_where_it_ended() {
    let scene = Scene::new();
    scene.server.faults().plan("model.onnx", Fault::Truncate(1000), 1);
    scene.store().get().await.unwrap();
    let requests = scene.server.faults().requests("model.onnx");
    assert!(requests.iter().any(|line| line.contains("bytes=1000-")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_over_the_limit_is_refused() {
    let scene = Scene::new();
    let config = StoreConfig { max_model_bytes: 1000, ..scene.config() };
    let store = ModelStore::new(config, scene.objects());
    assert_eq!(failure(&store).await, FailureKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bundle_is_named_and_served_once_it_is_there() {
    let scene = Scene::unpublished();
    let store = scene.store();
    assert_eq!(failure(&store).await, FailureKind::Missing);
    scene.server.publish(&bundle(), BUCKET, PREFIX);
    store.get().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_takes_too_long_ends_at_its_deadline() {
    let scene = Scene::new();
    scene.server.faults().plan("model.onnx", Fault::Delay(Duration::from_secs(2)), 1);
    let config = StoreConfig { load_deadline: Duration::from_millis(200), ..scene.config() };
    let store = ModelStore::new(config, scene.objects());
    assert_eq!(failure(&store).await, FailureKind::Deadline);
}

/// As often as the SDK asks before it gives up.
const SDK_ATTEMPTS: usize = 3;

/// A process that is frozen during the load which it began ahead wakes up with broken connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_begun_ahead_that_did_not_reach_s3_is_tried_once_more() {
    let scene = Scene::new();
    scene.server.faults().plan("bundle.json", Fault::SlowDown, SDK_ATTEMPTS);
    let store = scene.store();
    store.warm();
    store.get().await.unwrap();
    scene.server.faults().plan("bundle.json", Fault::SlowDown, SDK_ATTEMPTS);
    let on_demand = scene.uncached();
    assert_eq!(failure(&on_demand).await, FailureKind::Unreachable);
    on_demand.get().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_begun_ahead_is_tried_at_most_once_more() {
    let scene = Scene::new();
    scene.server.faults().plan("model.onnx", Fault::Delay(Duration::from_secs(60)), 100);
    let config = StoreConfig { load_deadline: Duration::from_millis(200), ..scene.config() };
    let store = ModelStore::new(config, scene.objects());
    store.warm();
    assert_eq!(failure(&store).await, FailureKind::Deadline);
    // The first caller did not wait for the end of the second load, so this one still can.
    assert_eq!(failure(&store).await, FailureKind::Deadline);
    assert_eq!(scene.loads(), 2);
    assert_eq!(failure(&store).await, FailureKind::Deadline);
    assert_eq!(scene.loads(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_a_freeze_cannot_cause_is_not_tried_again() {
    let scene = Scene::new();
    scene.server.faults().plan("model.onnx", Fault::FlipBit, 1);
    let store = scene.store();
    store.warm();
    assert_eq!(failure(&store).await, FailureKind::Integrity);
    assert_eq!(scene.loads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_folder_set_on_purpose_serves_while_s3_is_out_of_reach() {
    let scene = Scene::new();
    scene.fill_cache().await;
    scene.server.faults().plan("", Fault::SlowDown, 100);
    let store = scene.store();
    store.get().await.unwrap();
    assert_eq!(store.last_load().unwrap().loaded_from, LoadedFrom::Cache);
}

/// The default bundle under another version: another `bundle.json`, hence another bundle.
fn next_version(folder: &Path) {
    for file in ["model.onnx", "labels.txt"] {
        std::fs::copy(bundle().join(file), folder.join(file)).unwrap();
    }
    let description = std::fs::read(bundle().join("bundle.json")).unwrap();
    let mut description: serde_json::Value = serde_json::from_slice(&description).unwrap();
    description["version"] = "next".into();
    std::fs::write(folder.join("bundle.json"), description.to_string()).unwrap();
}

async fn version(store: &ModelStore) -> String {
    store.get().await.unwrap().manifest().version.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_bundle_in_s3_takes_the_place_of_the_old_one_and_so_does_a_rollback() {
    let (scene, next) = (Scene::new(), tempfile::tempdir().unwrap());
    let store = scene.store();
    let first = store.get().await.unwrap();
    assert_eq!(store.refresh().await.unwrap(), Refreshed::Unchanged);
    next_version(next.path());
    scene.server.publish(next.path(), BUCKET, PREFIX);
    assert_eq!(store.refresh().await.unwrap(), Refreshed::Swapped);
    assert_eq!(version(&store).await, "next");
    assert_ne!(first.manifest().version, "next");
    scene.server.publish(&bundle(), BUCKET, PREFIX);
    assert_eq!(store.refresh().await.unwrap(), Refreshed::Swapped);
    assert_eq!(version(&store).await, first.manifest().version);
}

/// As often as `bundle.json` is read: once for each load and for each look at the source.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_reads_bundle_json_once() {
    let (scene, next) = (Scene::new(), tempfile::tempdir().unwrap());
    scene.fill_cache().await;
    assert_eq!(scene.loads(), 1, "with an empty cache");
    let store = scene.store();
    store.get().await.unwrap();
    assert_eq!(scene.loads(), 2, "from the cache");
    next_version(next.path());
    scene.server.publish(next.path(), BUCKET, PREFIX);
    assert_eq!(store.refresh().await.unwrap(), Refreshed::Swapped);
    assert_eq!(scene.loads(), 3, "when the bundle has changed");
    scene.store().get().await.unwrap();
    assert_eq!(scene.loads(), 4, "with another bundle in the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rollback_the_cache_gives_what_served_last() {
    let (scene, next) = (Scene::new(), tempfile::tempdir().unwrap());
    let entry = scene.fill_cache().await;
    let store = scene.store();
    let first = version(&store).await;
    next_version(next.path());
    scene.server.publish(next.path(), BUCKET, PREFIX);
    store.refresh().await.unwrap();
    let digest = Sha256Digest::of(&std::fs::read(next.path().join("bundle.json")).unwrap());
    let deadline = Instant::now() + Duration::from_secs(30);
    while !entry.with_file_name(digest.to_string()).exists() {
        assert!(Instant::now() < deadline, "the next bundle is not cached");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    scene.server.publish(&bundle(), BUCKET, PREFIX);
    store.refresh().await.unwrap();
    scene.server.faults().plan("", Fault::SlowDown, 1000);
    // The entry is renewed beside the answer.
    while version(&scene.store()).await != first {
        assert!(Instant::now() < deadline, "the next bundle serves although it was rolled back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_bundle_is_refused_and_the_old_one_keeps_serving() {
    let scene = Scene::new();
    let store = scene.store();
    let before = version(&store).await;
    scene.server.put(BUCKET, &format!("{PREFIX}/bundle.json"), b"{}".to_vec());
    assert_eq!(store.refresh().await.unwrap_err().kind(), FailureKind::Invalid);
    let next = tempfile::tempdir().unwrap();
    next_version(next.path());
    scene.server.publish(next.path(), BUCKET, PREFIX);
    scene.server.put(BUCKET, &format!("{PREFIX}/labels.txt"), b"cat\n".to_vec());
    assert_eq!(store.refresh().await.unwrap_err().kind(), FailureKind::Integrity);
    scene.server.faults().plan("bundle.json", Fault::SlowDown, 100);
    assert_eq!(store.refresh().await.unwrap_err().kind(), FailureKind::Unreachable);
    assert_eq!(version(&store).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_with_an_expected_digest_is_never_swapped() {
    let folder = tempfile::tempdir().unwrap();
    next_version(folder.path());
    let expected = Sha256Digest::of(&std::fs::read(folder.path().join("bundle.json")).unwrap());
    let source = ModelSource::Folder(folder.path().to_owned());
    let config = StoreConfig { expected_digest: Some(expected), ..config(source) };
    let store = ModelStore::new(config, Objects::from_env());
    store.get().await.unwrap();
    std::fs::write(folder.path().join("bundle.json"), "{}").unwrap();
    assert_eq!(store.refresh().await.unwrap(), Refreshed::Unchanged);
}

/// The only requests for the head are those of explained requests, over connections of their own: on
/// Lambda, the thread that explains is the one that drives the runtime.
#[tokio::test]
async fn a_head_in_s3_is_read_at_the_first_explained_request_and_kept_in_the_cache() {
    let scene = Scene::new();
    scene.fill_cache().await;
    let heads = || scene.downloads("head.safetensors");
    let picture = std::fs::read(workspace::picture("coffee.png")).unwrap();
    let explained = Options { explain: Some(Explain::default()), ..Options::default() };
    let model = scene.store().get().await.unwrap();
    assert!(model.explains());
    model.classify(&picture, &Options::default()).unwrap();
    assert_eq!(heads(), 0);
    for _ in 0..2 {
        model.classify(&picture, &explained).unwrap();
    }
    assert_eq!(heads(), 1);
    let next = scene.store().get().await.unwrap();
    next.classify(&picture, &explained).unwrap();
    assert_eq!(heads(), 1, "the cache has it");
}

/// A bundle with `model.cpu.onnx` for the version of ONNX Runtime that the tests run.
fn with_two_graphs() -> PathBuf {
    workspace::bundle("imagenet-lite")
}

/// The same, whose `model.cpu.onnx` is for another version of ONNX Runtime.
fn for_another_runtime() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in with_two_graphs().read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("bundle.json");
    let description = std::fs::read(&path).unwrap();
    let mut description: serde_json::Value = serde_json::from_slice(&description).unwrap();
    description["cpu_graph"]["onnxruntime"] = "1.0.0".into();
    std::fs::write(path, description.to_string()).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_for_this_onnx_runtime_is_taken_and_the_other_one_not_downloaded() {
    let scene = Scene::unpublished();
    scene.server.publish(&with_two_graphs(), BUCKET, PREFIX);
    scene.fill_cache().await;
    let before = scene.downloads("model.cpu.onnx");
    assert!(before > 0);
    assert_eq!(scene.downloads("model.onnx"), 0);
    let next = scene.store();
    assert_eq!(next.get().await.unwrap().graph(), Graph::Cpu);
    assert_eq!(next.last_load().unwrap().loaded_from, LoadedFrom::Cache);
    assert_eq!((scene.downloads("model.cpu.onnx"), scene.downloads("model.onnx")), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_onnx_runtime_takes_the_portable_graph_from_everywhere() {
    let (scene, bundle) = (Scene::unpublished(), for_another_runtime());
    scene.server.publish(bundle.path(), BUCKET, PREFIX);
    let first = scene.store();
    assert_eq!(first.get().await.unwrap().graph(), Graph::Portable);
    // The request for the graph that was assumed, which is not read.
    assert!(scene.downloads("model.cpu.onnx") <= 1);
    scene.fill_cache().await;
    let next = scene.store();
    assert_eq!(next.get().await.unwrap().graph(), Graph::Portable);
    assert_eq!(next.last_load().unwrap().loaded_from, LoadedFrom::Cache);
    let folder = ModelSource::Folder(bundle.path().to_owned());
    let folder = ModelStore::new(config(folder), Objects::from_env());
    assert_eq!(folder.get().await.unwrap().graph(), Graph::Portable);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_the_graph_is_told_once_in_a_load_from_everywhere() {
    static TOLD: LazyLock<(Sender<u64>, Mutex<Receiver<u64>>)> = LazyLock::new(|| {
        let (sender, receiver) = channel();
        (sender, Mutex::new(receiver))
    });
    let scene = Scene::unpublished();
    scene.server.publish(&with_two_graphs(), BUCKET, PREFIX);
    let size = with_two_graphs().join("model.cpu.onnx").metadata().unwrap().len();
    let load = async |config: StoreConfig, from| {
        let config = StoreConfig { on_described: |bytes| TOLD.0.send(bytes).unwrap(), ..config };
        let store = ModelStore::new(config, scene.objects());
        store.get().await.unwrap();
        assert_eq!(store.last_load().unwrap().loaded_from, from);
        let told = TOLD.1.lock().unwrap();
        assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(size));
        assert!(told.try_recv().is_err());
    };
    load(scene.config(), LoadedFrom::S3).await;
    scene.fill_cache().await;
    load(scene.config(), LoadedFrom::Cache).await;
    load(config(ModelSource::Folder(with_two_graphs())), LoadedFrom::Folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_is_listed_and_not_there_fails_by_its_name() {
    let scene = Scene::unpublished();
    scene.server.publish(&with_two_graphs(), BUCKET, PREFIX);
    scene.server.put(BUCKET, &format!("{PREFIX}/model.cpu.onnx"), b"another".to_vec());
    let error = scene.store().get().await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::Integrity);
    assert!(error.to_string().starts_with("model.cpu.onnx has 7 bytes"), "{error}");
}

/// What is served of both: labels, scores, maps and embeddings.
#[tokio::test(flavor = "multi_thread")]
async fn both_graphs_answer_with_the_same_bits() {
    let (taken, portable) = (with_two_graphs(), for_another_runtime());
    let load = async |folder: &Path| {
        let store =
            ModelStore::new(config(ModelSource::Folder(folder.to_owned())), Objects::from_env());
        store.get().await.unwrap()
    };
    let models = [load(&taken).await, load(portable.path()).await];
    assert_eq!(models.each_ref().map(|model| model.graph()), [Graph::Cpu, Graph::Portable]);
    let options = Options {
        top_k: 1000,
        explain: Some(Explain::default()),
        embedding: true,
        energy: true,
        ..Options::default()
    };
    for picture in ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"] {
        let picture = std::fs::read(workspace::picture(picture)).unwrap();
        let [cpu, portable] = models.each_ref().map(|model| {
            let prediction = model.classify(&picture, &options).unwrap();
            Prediction { timing: Timing::default(), ..prediction }
        });
        assert_eq!(cpu, portable);
    }
}
