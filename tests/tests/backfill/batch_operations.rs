//! What S3 Batch Operations does with a manifest and a function: one invocation a task, in schema 2.0,
//! those that failed for a while again, and a completion report.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html>
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html>

use glimpse_tests::emulator::Emulator;
use serde_json::{Value, json};

/// A job over the objects of a manifest.
pub struct Job {
    id: String,
    tasks: Vec<Task>,
}

/// One line of the manifest.
#[derive(Debug)]
pub struct Task {
    bucket: String,
    /// As the manifest encodes it.
    key: String,
    /// How often the function was called for it.
    pub calls: u32,
    /// The last answer, once there is one.
    pub code: Option<Code>,
    /// What came with it.
    pub message: String,
}

/// The three answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Succeeded,
    TemporaryFailure,
    PermanentFailure,
}

impl Job {
    /// A job over a manifest with the fields `Bucket` and `Key`.
    pub fn new(id: &str, manifest: &str) -> Self {
        let task = |line: &str| {
            let (bucket, key) = line.split_once(',').unwrap();
            assert!(!key.contains(['"', ',', ' ']), "a key is not URL-encoded: {key}");
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            Task { bucket, key, calls: 0, code: None, message: String::new() }
        };
        Self { id: id.to_owned(), tasks: manifest.lines().map(task).collect() }
    }

    /// Call the function once for every task that has no final answer yet.
    pub fn drive(&mut self, function: &Emulator) {
        for (number, task) in self.tasks.iter_mut().enumerate() {
            if matches!(task.code, None | Some(Code::TemporaryFailure)) {
                task.call(function, &self.id, number);
            }
        }
    }

    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The task of an object by its encoded key.
    #[track_caller]
    pub fn task(&self, key: &str) -> &Task {
        self.tasks.iter().find(|task| task.key == key).expect("a task of that key")
    }

    /// How many tasks ended with an answer.
    pub fn count(&self, code: Code) -> usize {
        self.tasks.iter().filter(|task| task.code == Some(code)).count()
    }

    /// The completion report, as `Report_CSV_20180820`: what succeeded and what failed, a file each.
    pub fn report(&self) -> [String; 2] {
        let lines = |succeeded| {
            let of = |task: &&Task| (task.code == Some(Code::Succeeded)) == succeeded;
            self.tasks.iter().filter(of).map(Task::report).collect()
        };
        [lines(true), lines(false)]
    }
}

impl Task {
    fn call(&mut self, function: &Emulator, job: &str, number: usize) {
        self.calls += 1;
        let (invocation, task) =
            (format!("invocation-{number}-{}", self.calls), number.to_string());
        let answer = function.invoke(&json!({
            "invocationSchemaVersion": "2.0",
            "invocationId": invocation,
            "job": { "id": job, "userArguments": {} },
            "tasks": [{
                "taskId": task, "s3Key": self.key, "s3VersionId": null, "s3Bucket": self.bucket
            }]
        }));
        // S3 Batch Operations takes nothing else for an answer.
        assert_eq!(answer["invocationSchemaVersion"], "2.0", "{answer}");
        assert_eq!(answer["invocationId"], invocation, "{answer}");
        let results = answer["results"].as_array().expect("results");
        let [result] = &results[..] else { panic!("one result for one task: {answer}") };
        assert_eq!(result["taskId"], task, "{answer}");
        self.code = Some(code(&result["resultCode"]));
        result["resultString"].as_str().expect("a text").clone_into(&mut self.message);
    }

    /// In the reports that AWS shows, the HTTP status stands before the error's code.
    fn report(&self) -> String {
        let Self { bucket, key, code, .. } = self;
        let message = self.message.replace('"', "\"\"");
        match code {
            Some(Code::Succeeded) => format!("{bucket},{key},,succeeded,200,,\"{message}\"\n"),
            Some(code) => format!("{bucket},{key},,failed,200,{code:?},\"{message}\"\n"),
            None => panic!("a task was not called"),
        }
    }
}

fn code(code: &Value) -> Code {
    match code.as_str() {
        Some("Succeeded") => Code::Succeeded,
        Some("TemporaryFailure") => Code::TemporaryFailure,
        Some("PermanentFailure") => Code::PermanentFailure,
        _ => panic!("no result code: {code}"),
    }
}
