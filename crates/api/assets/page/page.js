"use strict";

// A call of a Lambda function takes 6 MB, of which base64 takes a quarter and the event a little.
const MAX_BYTES = 4_400_000;
// No model looks at more; a picture that is shrunk keeps its labels.
const SHRUNK_SIDE = 2048;
const FORMATS = ["jpeg", "png", "webp", "gif", "bmp", "x-ms-bmp", "tiff", "heic", "heif", "avif"].map((name) => "image/" + name);
const STAGES = { decode: "Decode", preprocess: "Resize", infer: "Infer", explain: "Explain" };
// The colours of the legend, cold to hot.
const HEAT = [[16, 7, 58], [107, 29, 129], [196, 60, 78], [249, 142, 9], [252, 255, 164]];

const by = (id) => document.getElementById(id);
// Behind an API's stage the page may be at /prod, without a slash.
const address = (path) => location.pathname.replace(/\/*$/, "/") + path;
const percent = (score) => (score * 100).toFixed(1) + " %";
const size = (bytes) => (bytes < 1e6 ? Math.ceil(bytes / 1e3) + " kB" : (bytes / 1e6).toFixed(1) + " MB");
const sentence = (text) => text && text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

let turn = new AbortController(); // aborted when a newer picture comes
let picture = null; // what is sent: the file, or its smaller copy
let answer = null;
let model = null;
let token = "";

/* ---- a picture comes ---- */

async function take(file) {
  if (!file) return;
  const { signal } = begin();
  picture = null;
  by("note").textContent = "";
  busy("Reading the picture…");
  await show(file, signal);
  const fitted = await fit(file);
  if (signal.aborted) return;
  picture = fitted.body;
  by("note").textContent = fitted.note;
  await classify(signal);
}

/** A new turn: what was asked before is of no interest any more. */
function begin() {
  turn.abort();
  turn = new AbortController();
  answer = null;
  for (const id of ["headline", "error", "access", "heat", "legend"]) by(id).hidden = true;
  for (const id of ["labels", "timings", "model"]) by(id).replaceChildren();
  return turn;
}

async function show(file, signal) {
  const image = by("picture");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  by("empty").hidden = true;
  by("view").hidden = by("frame").hidden = false;
  // A newer picture in its place ends this one's decoding as well.
  await image.decode().catch(() => (by("frame").hidden ||= !signal.aborted));
}

/** The file as it is, or a JPEG of it where the service would not take it. */
async function fit(file) {
  const strange = file.type.startsWith("image/") && !FORMATS.includes(file.type);
  if (file.size <= MAX_BYTES && !strange) return { body: file, note: "" };
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, SHRUNK_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = new OffscreenCanvas(Math.max(1, bitmap.width * scale), Math.max(1, bitmap.height * scale));
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const body = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
    const what = strange ? "Converted to JPEG" : `Shrunk from ${size(file.size)} to ${size(body.size)}`;
    return { body, note: what + " in your browser before it was sent." };
  } catch {
    // The browser cannot read it either; the service has the last word, and the better message.
    return { body: file, note: "" };
  }
}

/* ---- the service answers ---- */

async function classify(signal) {
  busy("Classifying…");
  const slow = setTimeout(() => busy("Waiting for the model to start; only the first picture takes this long…"), 2500);
  try {
    const started = performance.now();
    const explain = by("explain").checked;
    answer = await predict(picture, explain, signal);
    const elapsed = performance.now() - started;
    model ??= await call("model", { signal }).catch(() => null);
    if (signal.aborted) return;
    render(elapsed);
    if (explain && !answer.explanation) by("model").append(". This model cannot show where it looked.");
  } catch (error) {
    if (!signal.aborted) refuse(error);
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) by("result").setAttribute("aria-busy", "false");
  }
}

async function predict(body, explain, signal) {
  const type = body.type.startsWith("image/") ? body.type : "image/unknown";
  const post = { method: "POST", headers: { "content-type": type }, body, signal };
  if (!explain) return call("predict", post);
  return call("predict?explain=true", post).catch((problem) => {
    // A bundle without class activation maps refuses the option, not the picture.
    if (problem.code === "invalid_parameter") return call("predict", post);
    throw problem;
  });
}

/** What a path of the service answers; throws its problem. */
async function call(path, request) {
  const headers = token ? { ...request.headers, authorization: "Bearer " + token } : request.headers;
  const response = await fetch(address(path), { ...request, headers }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw { title: "No answer", detail: "the service cannot be reached", again: true };
  });
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const { status } = response;
  throw {
    status,
    code: body.code,
    title: body.title || "The service answered " + status,
    // Gateways before the service have a "message".
    detail: body.detail || body.message || response.statusText,
    request: body.request_id,
    again: status >= 500 || status === 429,
  };
}

/* ---- what is seen ---- */

function busy(text) {
  by("result").setAttribute("aria-busy", "true");
  by("status").textContent = text;
  by("status").hidden = false;
}

function render(elapsed) {
  by("status").hidden = true;
  const { predictions, labels: several } = answer;
  const given = several ?? predictions.slice(0, 1);
  const is = ({ index }) => (other) => other.index === index;
  const further = given.filter((one) => !predictions.some(is(one)));
  by("label").textContent = several ? several.map(({ label }) => label).join(", ") || "None of its labels" : answer.label ?? "Not sure";
  by("score").textContent = several ? "" : percent(answer.score);
  by("headline").hidden = false;
  by("labels").replaceChildren(...[...predictions, ...further].map((one) => row(one, given.some(is(one)), Boolean(several))));
  const stages = Object.entries(answer.timing_ms).map(([stage, ms]) => timing(STAGES[stage] || stage, ms));
  by("timings").replaceChildren(...stages.flat(), ...timing("In all", elapsed));
  by("model").textContent = `${answer.model.name} ${answer.model.version}`;
  overlay();
}

/** Of several labels, those that the picture has are ticked. */
function row({ label, score }, given, ticked) {
  const [item, name, number, track, bar] = ["li", "span", "span", "i", "b"].map((tag) => document.createElement(tag));
  name.textContent = (given && ticked ? "✓ " : "") + label;
  item.classList.toggle("given", given);
  number.textContent = percent(score);
  bar.style.width = percent(score).replace(" ", "");
  track.append(bar);
  item.append(name, number, track);
  return item;
}

function timing(stage, ms) {
  const [group, term, value] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
  term.textContent = stage;
  value.textContent = ms.toFixed(ms < 100 ? 1 : 0) + " ms";
  group.append(term, value);
  return [group];
}

function refuse({ status, title, detail, request, again }) {
  by("status").hidden = true;
  by("title").textContent = title || "Something went wrong in this page";
  by("detail").textContent = sentence(detail || "") + (request ? ` Request ${request}.` : "");
  by("again").hidden = !again;
  by("error").hidden = false;
  by("access").hidden = status !== 401;
}

/* ---- where the model looked ---- */

function overlay() {
  const map = by("explain").checked && answer && answer.explanation;
  const seen = Boolean(map) && !by("frame").hidden && Boolean(model);
  by("heat").hidden = by("legend").hidden = !seen;
  if (!seen) return;
  place(by("heat"), by("picture"), model.input);
  paint(by("heat"), map, model);
  by("heat").setAttribute("aria-label", `Where the model looked for ${answer.label}: most at the ${warmest(map)}`);
}

/** Lay the canvas over what the model sees, which is centred: a part of the picture, or more where it is letterboxed. */
function place(canvas, { naturalWidth, naturalHeight }, { width, height, resize: { mode, size } }) {
  const [tall, wide] = [size].flat().length > 1 ? size : [size, size];
  const scales = [wide / naturalWidth, tall / naturalHeight];
  const scale = mode === "shorter-side" ? Math.max(...scales) : Math.min(...scales);
  const [x, y] = mode === "squash" ? scales : [scale, scale];
  const [across, down] = [width / x / naturalWidth, height / y / naturalHeight];
  const position = { left: (1 - across) / 2, top: (1 - down) / 2, width: across, height: down };
  for (const [side, part] of Object.entries(position)) canvas.style[side] = part * 100 + "%";
}

function paint(canvas, map, { input, class_maps: cells }) {
  const [across, down] = [axis(map.width, input.width, cells), axis(map.height, input.height, cells)];
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0, at = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++, at += 4) {
      const value = sample(map, across((x + 0.5) / canvas.width), down((y + 0.5) / canvas.height));
      const place = value * (HEAT.length - 1);
      const low = Math.min(Math.floor(place), HEAT.length - 2);
      for (let c = 0; c < 3; c++) image.data[at + c] = mix(HEAT[low][c], HEAT[low + 1][c], place - low);
      image.data[at + 3] = 150;
    }
  }
  context.putImageData(image, 0, 0);
}

/** From 0…1 of the model's input to cells: by the bundle's grid, or evenly where it names none. */
function axis(count, pixels, cells) {
  const { stride, first } = cells ?? { stride: pixels / count, first: pixels / count / 2 };
  return (part) => (part * pixels - first) / stride;
}

/** The map at a place counted in cells, bilinear between their middles. */
function sample({ width, height, values }, x, y) {
  const [left, right, across] = between(x, width);
  const [above, below, down] = between(y, height);
  const line = (row) => mix(values[row * width + left], values[row * width + right], across);
  return Math.min(1, Math.max(0, mix(line(above), line(below), down)));
}

function between(place, cells) {
  const inside = Math.min(Math.max(place, 0), cells - 1);
  const low = Math.floor(inside);
  return [low, Math.min(low + 1, cells - 1), inside - low];
}

function mix(a, b, part) {
  return a + (b - a) * part;
}

function warmest({ width, height, values }) {
  const at = values.indexOf(Math.max(...values));
  const third = (place, cells, words) => words[Math.min(2, Math.floor((3 * (place + 0.5)) / cells))];
  const down = third(Math.floor(at / width), height, ["top", "middle", "bottom"]);
  return down + " " + third(at % width, width, ["left", "centre", "right"]);
}

/* ---- ways in ---- */

for (const id of ["file", "photo"]) {
  by(id).addEventListener("change", ({ target }) => {
    take(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
}
by("empty").addEventListener("click", () => by("file").click());
by("api").href = address("docs");
by("photo").parentElement.hidden = !navigator.maxTouchPoints;

document.addEventListener("paste", ({ clipboardData }) => {
  if (clipboardData.files.length) take(clipboardData.files[0]);
});

by("paste").hidden = !navigator.clipboard?.read;
by("paste").addEventListener("click", async () => {
  const items = await navigator.clipboard.read().catch(() => []);
  for (const item of items) {
    const type = item.types.find((type) => type.startsWith("image/"));
    if (type) return take(await item.getType(type));
  }
  begin();
  refuse({ title: "Nothing to paste", detail: "there is no picture in the clipboard, or the browser may not read it" });
});

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind !== "drop") return;
    if (event.dataTransfer.files.length) return take(event.dataTransfer.files[0]);
    begin();
    refuse({ title: "Not a picture file", detail: "save the picture first, or copy and paste it" });
  });
}

by("explain").addEventListener("change", () => {
  if (answer && by("explain").checked && !answer.explanation) repeat();
  else overlay();
});

by("again").addEventListener("click", repeat);

by("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = by("token").value;
  repeat();
});

function repeat() {
  if (picture) classify(begin().signal);
}
