//! `glimpse classify` over files, in turns with the bare session fed from memory.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use glimpse_tests::workspace;

use super::bare::{Bare, RUN};
use super::{Failure, SMALL, jpeg, measured, verdict};

/// Parts of the work, between which the bare session has its turns.
const TURNS: usize = 4;
const TARGET: f64 = 0.9;

pub fn run(bundle: &Path, pictures: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let whole = image::open(workspace::picture("chelsea.png"))?;
    let a_turn = pictures.div_ceil(TURNS);
    for turn in 0..TURNS {
        let folder = folder.path().join(turn.to_string());
        std::fs::create_dir(&folder)?;
        for number in 0..a_turn {
            let file = jpeg(&whole, turn * a_turn + number, SMALL)?;
            std::fs::write(folder.join(format!("{number:05}.jpg")), file)?;
        }
    }
    let bare = Bare::new(bundle)?;
    bare.run()?;
    let (mut ours, mut bare_time, mut bare_pictures) = (Duration::ZERO, Duration::ZERO, 0);
    for turn in 0..TURNS {
        eprintln!("classify, part {} of {TURNS}", turn + 1);
        let started = Instant::now();
        let mut command = measured(bundle);
        command.arg("classify").arg(folder.path().join(turn.to_string()));
        let output = command.stderr(Stdio::inherit()).output()?;
        ours += started.elapsed();
        let lines = output.stdout.split(|byte| *byte == b'\n').count() - 1;
        if !output.status.success() || lines != a_turn {
            return Err(format!("{lines} lines of {a_turn}, {}", output.status).into());
        }
        let started = Instant::now();
        for _ in 0..a_turn.div_ceil(RUN) {
            bare.run()?;
            bare_pictures += RUN;
        }
        bare_time += started.elapsed();
    }
    let all = a_turn * TURNS;
    let rate = |pictures: usize, time: Duration| pictures as f64 / time.as_secs_f64();
    let (ours, bare) = (rate(all, ours), rate(bare_pictures, bare_time));
    println!("\nglimpse classify, {all} JPEGs of 160 x 120, starts of the process included");
    println!("  {:44} {ours:.1} pictures a second", "glimpse classify");
    println!("  {:44} {bare:.1} pictures a second", "the bare session, runs of 8 from memory");
    verdict("glimpse classify / bare session", ours / bare, TARGET, ours / bare >= TARGET);
    Ok(())
}
