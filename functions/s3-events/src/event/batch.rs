//! Tasks of S3 Batch Operations, in its invocation schemas 1.0 and 2.0, and their results.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html>

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{EventError, parse};
use super::notice::non_empty;
use crate::key::decode_key;
use crate::object::Object;

const FORM: &str = "tasks of S3 Batch Operations";

/// What one invocation is asked to do. The job's `userArguments` of schema 2.0 have no meaning here:
/// the same object and model give the same result.
#[derive(Debug)]
pub struct Job {
    schema_version: String,
    invocation_id: String,
    /// S3 sends one in an invocation.
    pub tasks: Vec<Task>,
}

/// One object of the manifest.
#[derive(Debug)]
pub struct Task {
    /// Names the task in the answer.
    pub id: String,
    /// What it names.
    pub object: Result<Object, EventError>,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ResultCode {
    /// There is a result object.
    Succeeded,
    /// To be tried again before the job ends.
    TemporaryFailure,
    /// It will not do better the next time.
    PermanentFailure,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    invocation_schema_version: String,
    invocation_id: String,
    tasks: Vec<Given>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    task_id: String,
    s3_key: String,
    s3_version_id: Option<String>,
    /// Schema 1.0.
    s3_bucket_arn: Option<String>,
    /// Schema 2.0.
    s3_bucket: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    invocation_schema_version: &'a str,
    treat_missing_keys_as: ResultCode,
    invocation_id: &'a str,
    results: Vec<TaskResult<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskResult<'a> {
    task_id: &'a str,
    result_code: ResultCode,
    result_string: String,
}

pub(super) fn read(event: Value) -> Result<Job, EventError> {
    let Invocation { invocation_schema_version, invocation_id, tasks } = parse(event, FORM)?;
    if !matches!(invocation_schema_version.as_str(), "1.0" | "2.0") {
        return Err(EventError::SchemaVersion);
    }
    let task = |given: Given| Task { id: given.task_id.clone(), object: object(given) };
    let tasks = tasks.into_iter().map(task).collect();
    Ok(Job { schema_version: invocation_schema_version, invocation_id, tasks })
}

fn object(task: Given) -> Result<Object, EventError> {
    let of_arn = || task.s3_bucket_arn.as_deref()?.split_once(":s3:::").map(|(_, name)| name);
    let bucket = task.s3_bucket.as_deref().or_else(of_arn).filter(|name| !name.is_empty());
    Ok(Object {
        bucket: bucket.ok_or(EventError::Malformed(FORM))?.to_owned(),
        key: decode_key(&task.s3_key)?,
        version_id: non_empty(task.s3_version_id),
        etag: None,
        sequencer: None,
    })
}

impl Job {
    /// The answer for these results of tasks, by their ids.
    ///
    /// # Errors
    /// Never for these types; the serializer cannot know that.
    pub fn answer<'a>(
        &'a self,
        results: impl IntoIterator<Item = (&'a str, ResultCode, String)>,
    ) -> Result<Value, serde_json::Error> {
        let result = |(task_id, result_code, result_string)| TaskResult {
            task_id,
            result_code,
            result_string,
        };
        serde_json::to_value(Answer {
            invocation_schema_version: &self.schema_version,
            // A task without a result was not worked on.
            treat_missing_keys_as: ResultCode::TemporaryFailure,
            invocation_id: &self.invocation_id,
            results: results.into_iter().map(result).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(version: &str, task: &Value) -> Value {
        json!({"invocationSchemaVersion": version, "invocationId": "i", "job": {"id": "j"},
               "tasks": [task]})
    }

    #[test]
    fn both_schemas_name_the_same_object() {
        let arn = json!({"taskId": "t", "s3Key": "a+b", "s3VersionId": "v",
                         "s3BucketArn": "arn:aws-cn:s3:::pictures"});
        let name = json!({"taskId": "t", "s3Key": "a+b", "s3VersionId": "v",
                          "s3Bucket": "pictures"});
        for event in [job("1.0", &arn), job("2.0", &name)] {
            let object = read(event).unwrap().tasks.remove(0).object.unwrap();
            let found = (object.bucket.as_str(), object.key.as_str(), object.version_id.as_deref());
            assert_eq!(found, ("pictures", "a b", Some("v")));
        }
    }

    #[test]
    fn the_answer_repeats_the_ids() {
        let task = json!({"taskId": "t", "s3Key": "a", "s3VersionId": null, "s3Bucket": "b"});
        let job = read(job("2.0", &task)).unwrap();
        let answer = job.answer([("t", ResultCode::Succeeded, "tabby".into())]).unwrap();
        assert_eq!(
            answer,
            json!({"invocationSchemaVersion": "2.0", "treatMissingKeysAs": "TemporaryFailure",
                   "invocationId": "i", "results": [
                       {"taskId": "t", "resultCode": "Succeeded", "resultString": "tabby"}]})
        );
    }

    #[test]
    fn a_task_without_a_bucket_fails_alone_and_a_new_schema_is_refused() {
        let task = json!({"taskId": "t", "s3Key": "a", "s3BucketArn": "arn:aws:s3-outposts:x"});
        let job_read = read(job("1.0", &task)).unwrap();
        assert_eq!(job_read.tasks[0].object, Err(EventError::Malformed(FORM)));
        assert_eq!(read(job("3.0", &task)).err(), Some(EventError::SchemaVersion));
    }
}
