//! The forms of the answer: a table for people, NDJSON and CSV for programs.

use std::io::{self, Write};

use std::collections::HashSet;

use glimpse_classifier::{Classifier, Prediction, Ranked, Task};

use crate::name::Name;
use crate::record::{Outcome, Record};
use crate::source::Failure;

/// Longer labels are cut in the table; they are whole in the other forms.
const WIDEST_LABEL: usize = 40;

/// One of the forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Score, label and file in columns; pictures without a result are in the report only.
    Table,
    /// One object per line.
    Json,
    /// `file,rank,label,index,score,error`, of a multi-label model `given` too.
    Csv,
}

/// Gathers whole lines, so that what was written is whole whenever the program ends.
pub struct Output<W: Write> {
    to: W,
    form: Form,
    lines: Vec<u8>,
    label_width: usize,
    task: Task,
}

impl<W: Write> Output<W> {
    /// With the head of the form, which is written with the first lines.
    pub fn new(to: W, form: Form, model: &Classifier) -> Self {
        let (labels, task) = (model.labels(), model.manifest().task);
        let longest = (0..labels.len()).filter_map(|index| labels.get(index));
        let longest = longest.map(|label| label.chars().count()).max().unwrap_or_default();
        let label_width = longest.clamp("LABEL".len(), WIDEST_LABEL);
        let lines = match (form, task) {
            (Form::Json, _) => String::new(),
            (Form::Table, Task::SingleLabel) => {
                format!("{:>7}  {:label_width$}  FILE\n", "SCORE", "LABEL")
            }
            (Form::Table, Task::MultiLabel) => {
                format!("{:>7}  GIVEN  {:label_width$}  FILE\n", "SCORE", "LABEL")
            }
            (Form::Csv, Task::SingleLabel) => "file,rank,label,index,score,error\n".to_owned(),
            (Form::Csv, Task::MultiLabel) => "file,rank,label,index,score,error,given\n".to_owned(),
        };
        Self { to, form, lines: lines.into_bytes(), label_width, task }
    }

    /// Add one picture.
    pub fn add(&mut self, name: &Name, result: Result<&Prediction, &Failure>) {
        match (self.form, result) {
            (Form::Json, _) => {
                let outcome = Outcome::of(result);
                let record = Record { name, stamp: None, outcome, model: None };
                self.lines.extend(record.line());
            }
            (Form::Table, Ok(prediction)) => self.rows(&name.text(), prediction),
            (Form::Table, Err(_)) => {}
            (Form::Csv, Ok(prediction)) => {
                let file = name.text();
                for (rank, (label, given)) in (1_usize..).zip(shown(prediction)) {
                    let numbers = [rank, label.index].map(|number| number.to_string());
                    let score = label.score.to_string();
                    let given = if given { "true" } else { "false" };
                    self.values([&file, &numbers[0], &label.label, &numbers[1], &score, "", given]);
                }
            }
            (Form::Csv, Err(failure)) => {
                self.values([&name.text(), "", "", "", "", failure.code(), ""]);
            }
        }
    }

    /// Write the lines that were added.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.write_all(&self.lines)?;
        self.lines.clear();
        self.to.flush()
    }

    fn rows(&mut self, file: &str, prediction: &Prediction) {
        let width = self.label_width;
        for (rank, (label, given)) in shown(prediction).into_iter().enumerate() {
            let given = match (self.task, given) {
                (Task::SingleLabel, _) => "",
                (Task::MultiLabel, true) => "  yes  ",
                (Task::MultiLabel, false) => "  no   ",
            };
            let name: String = label.label.chars().take(width).map(printable).collect();
            let percent = label.score * 100.0;
            let file: String =
                if rank == 0 { file.chars().map(printable).collect() } else { String::new() };
            let row = format!("{percent:5.1} %{given}  {name:width$}  {file}");
            self.lines.extend(row.trim_end().as_bytes());
            self.lines.push(b'\n');
        }
    }

    /// Those of the form's columns, of which the last is of a multi-label model alone.
    fn values(&mut self, values: [&str; 7]) {
        let columns = if self.task == Task::MultiLabel { 7 } else { 6 };
        let mut writer = csv::Writer::from_writer(&mut self.lines);
        // Into memory: it cannot fail.
        let _ = writer.write_record(&values[..columns]);
        let _ = writer.flush();
    }
}

/// The labels to print, and whether each reaches its threshold: the best one whatever its score, and
/// of a multi-label model those that the picture has behind the best ones.
fn shown(prediction: &Prediction) -> Vec<(&Ranked, bool)> {
    let given = prediction.labels.as_deref().unwrap_or_default();
    let indices: HashSet<usize> = given.iter().map(|label| label.index).collect();
    let best = match prediction.predictions.as_slice() {
        [] => std::slice::from_ref(&prediction.top),
        some => some,
    };
    let among_best: HashSet<usize> = best.iter().map(|label| label.index).collect();
    let further = given.iter().filter(|label| !among_best.contains(&label.index));
    let all = best.iter().chain(further);
    all.map(|label| (label, indices.contains(&label.index))).collect()
}

/// A name may hold what a terminal would obey.
pub fn printable(character: char) -> char {
    if character.is_control() { '\u{fffd}' } else { character }
}
