//! What the Python side prepares: fixtures, crops of real pictures, and the reference's answers.
//!
//! It takes half a minute, so it is done again only when what it is made of has changed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use glimpse_model_store::Sha256Digest;
use glimpse_tests::workspace;

/// One interpreter at a time: each takes a few hundred megabytes.
static TURN: Mutex<()> = Mutex::new(());

/// `GLIMPSE_PARITY_DIR`, or a folder under `target/`.
pub fn folder() -> PathBuf {
    let default = || workspace::root().join("target/parity");
    std::env::var_os("GLIMPSE_PARITY_DIR").map_or_else(default, PathBuf::from)
}

/// The interpreter of the environment that `make` installs, if it is there.
pub fn python() -> Option<PathBuf> {
    let python = workspace::root().join("target/venv-models/bin/python");
    python.exists().then_some(python)
}

/// Synthetic pictures of every kind with their expected tensors; the folder has `cases.json`.
pub fn fixtures(python: &Path) -> PathBuf {
    let folder = folder().join("fixtures");
    let out = folder.display().to_string();
    once(
        "fixtures",
        &modules(&[
            "research/fixtures",
            "research/pictures",
            "data/decode",
            "data/jpeg",
            "data/preprocess",
            "bundle/manifest",
        ]),
        || {
            run(python, &["-m", "glimpse_models", "fixtures", "--out", &out]);
        },
    );
    folder
}

/// Crops of the real pictures that `make pictures` fetched.
pub fn crops(python: &Path) -> PathBuf {
    let script = workspace::root().join("tests/parity/crops.py");
    let pictures = workspace::picture("chelsea.png");
    let (folder, pictures) = (folder().join("crops"), pictures.parent().unwrap());
    let arguments = [&script, pictures, &folder].map(|path| path.display().to_string());
    once("crops", std::slice::from_ref(&script), || {
        let _ = std::fs::remove_dir_all(&folder);
        run(python, &[&arguments[0], &arguments[1], &arguments[2]]);
    });
    folder
}

/// JPEG files of every kind with the pixels that Pillow gives; the folder has `cases.json`.
pub fn jpegs(python: &Path) -> PathBuf {
    let script = workspace::root().join("tests/jpeg/make.py");
    let pictures = workspace::picture("chelsea.png");
    let (folder, pictures) = (folder().join("jpeg"), pictures.parent().unwrap());
    let paths = [&script, &jpeg_tools(), pictures, &folder];
    let arguments = paths.map(|path| path.display().to_string());
    once("jpeg", std::slice::from_ref(&script), || {
        let _ = std::fs::remove_dir_all(&folder);
        run(python, &arguments.each_ref().map(String::as_str));
    });
    folder
}

/// The crops, enlarged to large JPEG files.
pub fn large_jpegs(python: &Path) -> PathBuf {
    let crops = crops(python);
    let script = workspace::root().join("tests/jpeg/large.py");
    let folder = folder().join("large");
    let arguments = [&script, &crops, &folder].map(|path| path.display().to_string());
    once("large", std::slice::from_ref(&script), || {
        let _ = std::fs::remove_dir_all(&folder);
        run(python, &arguments.each_ref().map(String::as_str));
    });
    folder
}

/// The folder of `cjpeg` and `jpegtran`, which cargo builds together with libjpeg-turbo.
fn jpeg_tools() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let profile = program.parent().and_then(Path::parent).unwrap();
    let built = std::fs::read_dir(profile.join("build")).unwrap();
    let mut tools = built.map(|entry| entry.unwrap().path().join("out/bin"));
    tools.find(|folder| folder.join("jpegtran").exists()).unwrap()
}

/// The reference's answers for the pictures in `pictures`, one JSON line each.
pub fn reference(python: &Path, bundle: &Path, pictures: &Path) -> String {
    let answers = folder().join("reference.ndjson");
    let mut made_of =
        modules(&["research/reference", "data/decode", "data/jpeg", "data/preprocess"]);
    made_of.push(bundle.join("bundle.json"));
    made_of.push(workspace::root().join("tests/parity/crops.py"));
    let (bundle, pictures) = (bundle.display().to_string(), pictures.display().to_string());
    once("reference", &made_of, || {
        let step =
            ["-m", "glimpse_models", "reference", "--copies", "8", "--bundle", &bundle, &pictures];
        std::fs::write(&answers, run(python, &step)).unwrap();
    });
    std::fs::read_to_string(&answers).unwrap()
}

fn modules(names: &[&str]) -> Vec<PathBuf> {
    let package = workspace::root().join("models/glimpse_models");
    names.iter().map(|name| package.join(format!("{name}.py"))).collect()
}

/// Do `work` unless it was done with `made_of` as they are now.
fn once(name: &str, made_of: &[PathBuf], work: impl FnOnce()) {
    let _turn = TURN.lock();
    let content: Vec<u8> = made_of.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    let stamp = folder().join(format!(".{name}.stamp"));
    let now = Sha256Digest::of(&content).to_string();
    if std::fs::read_to_string(&stamp).is_ok_and(|then| then == now) {
        return;
    }
    std::fs::create_dir_all(folder()).unwrap();
    work();
    std::fs::write(stamp, now).unwrap();
}

/// Run Python in `models/`; gives what it prints.
fn run(python: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(python);
    command.args(arguments).current_dir(workspace::root().join("models"));
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    output.stdout
}
