//! `glimpse classify`: what it prints, and what its exit code says.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use glimpse_tests::edge::glimpse;
use image::ImageFormat;
use serde_json::Value;
use tempfile::TempDir;

use super::common::encode::{animation, encode, pages, plain};
use super::common::toy::{self, Graph};

/// A folder of pictures whose label is their colour, beside files that are none.
pub fn pictures() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, colour, format| {
        fs::write(folder.path().join(name), encode(&plain(9, 8, colour), format)).unwrap();
    };
    fs::create_dir(folder.path().join("sub")).unwrap();
    write("b.png", [0, 0, 200], ImageFormat::Png);
    write("a.JPG", [200, 0, 0], ImageFormat::Jpeg);
    write("sub/c.bmp", [0, 200, 0], ImageFormat::Bmp);
    write(".hidden.png", [0, 200, 0], ImageFormat::Png);
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    folder
}

/// `glimpse classify` in `folder`, with the toy model.
fn classify(folder: &Path) -> (TempDir, Command) {
    let bundle = toy::bundle(Graph::MeanColour);
    let mut command = glimpse(bundle.path());
    command.current_dir(folder).arg("classify");
    (bundle, command)
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let (_bundle, mut command) = classify(folder);
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines of NDJSON.
pub fn lines(output: &[u8]) -> Vec<Value> {
    assert!(output.is_empty() || output.ends_with(b"\n"), "{:?}", text(output));
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn files(output: &[u8]) -> Vec<String> {
    lines(output).iter().map(|line| line["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_folder_gives_one_json_line_per_picture_sorted_by_name() {
    let folder = pictures();
    let output = run(folder.path(), &["."]);
    assert!(output.status.success());
    insta::assert_snapshot!(text(&output.stdout));
    let left_out = "left out, as not pictures: 1 .txt, 1 hidden\n";
    assert_eq!(text(&output.stderr), left_out);
}

#[test]
fn csv_has_one_line_per_label() {
    let folder = pictures();
    fs::write(folder.path().join("broken, \"very\".png"), "").unwrap();
    let output = run(folder.path(), &["--csv", "-k", "2", "."]);
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_table_lists_broken_pictures_at_the_end() {
    let folder = pictures();
    fs::write(folder.path().join("b1.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    fs::write(folder.path().join("b2.png"), "words").unwrap();
    let output = run(folder.path(), &["--table", ".", "nowhere.jpg"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(format!("{}---\n{}", text(&output.stdout), text(&output.stderr)));
}

/// Colours that have two labels, one that is not the best, and none.
fn classify_several(form: &str) -> String {
    let (folder, bundle) = (tempfile::tempdir().unwrap(), toy::several_labels());
    for (name, colour) in [("a", [200, 100, 201]), ("b", [50, 0, 210]), ("c", [0, 0, 0])] {
        let picture = encode(&plain(9, 8, colour), ImageFormat::Png);
        fs::write(folder.path().join(format!("{name}.png")), picture).unwrap();
    }
    fs::write(folder.path().join("d.png"), "words").unwrap();
    let mut command = glimpse(bundle.path());
    let output = command.current_dir(folder.path()).args(["classify", "-k", "2", form, "."]);
    text(&output.output().unwrap().stdout)
}

#[test]
fn every_label_that_a_picture_has_is_printed() {
    insta::assert_snapshot!("several_labels_table", classify_several("--table"));
    insta::assert_snapshot!("several_labels_csv", classify_several("--csv"));
    let json = classify_several("--json");
    let names = |line: &Value| -> Vec<String> {
        let labels = line["labels"].as_array().unwrap().iter();
        labels.map(|one| one["label"].as_str().unwrap().to_owned()).collect()
    };
    let lines = lines(json.as_bytes());
    assert_eq!(names(&lines[0]), ["red", "green"]);
    assert_eq!((names(&lines[1]), names(&lines[2])), (vec!["red".to_owned()], Vec::new()));
    assert!(lines[3].get("labels").is_none() && lines[3]["error"].is_object());
    assert_eq!(lines[0]["label"], "blue", "the best, as ever");
    assert_eq!(lines[0]["predictions"].as_array().unwrap().len(), 2);
}

#[test]
fn files_globs_and_standard_input_come_in_the_order_of_the_command_line() {
    let folder = pictures();
    fs::write(folder.path().join("[x].png"), fs::read(folder.path().join("b.png")).unwrap())
        .unwrap();
    let (_bundle, mut command) = classify(folder.path());
    let arguments = ["*/*.bmp", "-", "b.png", "[x].png", "*.nothing", "s*"];
    let mut process = command
        .args(arguments)
        .stdin(Stdio::from(fs::File::open(folder.path().join("a.JPG")).unwrap()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(1));
    let output = process.wait_with_output().unwrap().stdout;
    let expected = ["sub/c.bmp", "-", "b.png", "[x].png", "*.nothing", "sub/c.bmp"];
    assert_eq!(files(&output), expected);
    let lines = lines(&output);
    assert_eq!(lines[1]["label"], "red");
    assert_eq!(lines[4]["error"]["code"], "no_match");
}

#[test]
fn many_pictures_of_all_sizes_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..120_u32 {
        // Now and then a large one, which takes longer than all that come after it.
        let side = if number % 40 == 3 { 3000 } else { 8 + number };
        let colour = [[200, 0, 0], [0, 200, 0], [0, 0, 200]][number as usize % 3];
        let file = encode(&plain(side, 16, colour), ImageFormat::Png);
        fs::write(folder.path().join(format!("{number:03}.png")), file).unwrap();
    }
    let output = run(folder.path(), &["."]);
    assert!(output.status.success());
    let lines = lines(&output.stdout);
    assert_eq!(lines.len(), 120);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["file"], format!("./{number:03}.png"));
        assert_eq!(line["label"], ["red", "green", "blue"][number % 3], "{line}");
    }
}

#[test]
fn a_failed_start_exits_with_code_2() {
    let folder = pictures();
    let none = tempfile::tempdir().unwrap();
    let none = none.path().to_str().unwrap();
    for (arguments, reason) in [
        (&["classify"][..], "<PATH>"),
        (&["classify", "--json", "--csv", "."], "cannot be used with"),
        (&["classify", "--top-k", "0", "."], "--top-k"),
        (&["classify", "--threads", "0", "."], "a whole number of at least 1 (GLIMPSE_THREADS)"),
        (&["classify", "--log", "loud", "."], "GLIMPSE_LOG"),
        (&["classify", "--min-score", "2", "."], "from 0 to 1"),
        (&["classify", "--min-score", "NaN", "."], "from 0 to 1"),
        (&["watch", "./a.JPG", "--output", "out"], "not a directory"),
        (&["watch", ".", "--output", "out", "--move-to", "./new/sorted"], "outside the watched"),
        (&["watch", "sub", "--output", "out", "--move-to", "./no/../sub/s"], "outside the watched"),
        (&["classify", "--model", none, "."], "does not exist"),
        (&["classify", "--model", "https://host/model", "."], "GLIMPSE_MODEL_URI"),
        (&["classify", "--explain", "out", "."], "explain"),
        (&["fly"], "unrecognized subcommand"),
    ] {
        let bundle = toy::bundle(Graph::MeanColour);
        let mut command = glimpse(bundle.path());
        let output = command.current_dir(folder.path()).args(arguments).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(reason), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert!(!folder.path().join("new").exists());
}

#[test]
fn a_flag_and_its_variable_are_the_same() {
    let folder = pictures();
    let (_bundle, mut command) = classify(folder.path());
    let variable = command.args(["a.JPG"]).env("GLIMPSE_TOP_K", "2").output().unwrap();
    assert_eq!(variable.stdout, run(folder.path(), &["--top-k", "2", "a.JPG"]).stdout);
    assert_eq!(lines(&variable.stdout)[0]["predictions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let folder = pictures();
    let output = run(folder.path(), &["--max-file-bytes", "10", "b.png"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output.stdout)[0]["error"]["code"], "payload_too_large");
}

#[test]
fn an_explanation_is_a_picture_of_the_models_input() {
    let (folder, bundle) = (pictures(), toy::bundle(Graph::Explained));
    let mut command = glimpse(bundle.path());
    command.current_dir(folder.path()).args(["classify", "--explain", "why", "a.JPG", "b.png"]);
    assert!(command.output().unwrap().status.success());
    for name in ["a.JPG.png", "b.png.png"] {
        let overlay = image::open(folder.path().join("why").join(name)).unwrap();
        assert_eq!((overlay.width(), overlay.height()), (toy::SIDE, toy::SIDE));
    }
}

#[test]
fn the_help_says_what_there_is() {
    for verb in ["", "classify", "serve", "watch"] {
        let bundle = toy::bundle(Graph::MeanColour);
        let mut command = glimpse(bundle.path());
        let arguments = [verb, "--help"].into_iter().filter(|word| !word.is_empty());
        let output = command.args(arguments).output().unwrap();
        insta::assert_snapshot!(
            format!("help {verb}").trim().replace(' ', "_"),
            text(&output.stdout)
        );
    }
}

#[test]
fn another_page_is_classified_and_pages_and_frames_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (red, green) = ([200, 0, 0], [0, 200, 0]);
    fs::write(folder.path().join("scan.tif"), pages(&[red, green])).unwrap();
    fs::write(folder.path().join("turning.gif"), animation(&[green, red, green])).unwrap();
    let first = run(folder.path(), &["--json", "."]);
    assert!(first.status.success());
    let [scan, turning] = &lines(&first.stdout)[..] else { panic!("two lines") };
    assert_eq!(
        (&scan["label"], &scan["pages"], scan.get("frames")),
        (&"red".into(), &2.into(), None)
    );
    assert_eq!(
        (&turning["label"], &turning["frames"], turning.get("pages")),
        (&"green".into(), &3.into(), None)
    );
    let second = run(folder.path(), &["--json", "--page", "1", "."]);
    assert_eq!(second.status.code(), Some(1));
    let [scan, turning] = &lines(&second.stdout)[..] else { panic!("two lines") };
    assert_eq!(scan["label"], "green");
    assert_eq!(turning["error"]["code"], "invalid_parameter");
    assert_eq!(
        turning["error"]["detail"],
        "page 1 does not exist; the image has 1, counted from 0"
    );
}
