//! An inference request, JSON with or without binary tensors, as pictures and wanted outputs.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use glimpse_classifier::{InputSpec, Task};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::binary;
use super::json_data;
use super::outputs::{Output, RequestedOutput, SHARED_MEMORY, Wanted, invalid, wanted};
use crate::extract::base64;
use crate::extract::body;
use crate::extract::bounded::Bounded;
use crate::extract::page::page;
use crate::extract::strict_object::StrictObject;
use crate::extract::uint::UInt;
use crate::problem::Problem;

/// What the model and the server can take.
pub(crate) struct Expected {
    pub(crate) input: InputSpec,
    pub(crate) task: Task,
    pub(crate) classes: usize,
    pub(crate) max_batch: usize,
}

/// A request that can be run.
pub(crate) struct Inference {
    pub(super) id: Option<String>,
    pub(crate) top_k: Option<usize>,
    pub(crate) page: u32,
    pub(crate) pictures: Pictures,
    pub(super) outputs: Vec<Wanted>,
}

/// The input tensor.
pub(crate) enum Pictures {
    Encoded(Vec<Vec<u8>>),
    /// uint8 RGB `[n, height, width, 3]` at the input size.
    Pixels {
        bytes: Vec<u8>,
        n: usize,
    },
}

/// The JSON of a request.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with inputs")]
#[schema(as = InferenceRequest)]
pub(super) struct Body<'a> {
    /// Comes back with the answer.
    id: Option<String>,
    #[schema(value_type = Option<RequestParameters>)]
    parameters: Option<StrictObject<RequestParameters>>,
    /// One tensor.
    #[serde(borrow)]
    #[schema(value_type = Vec<Tensor>)]
    inputs: Bounded<StrictObject<Tensor<'a>>>,
    /// Each once at most; label, index and score where the list is absent or empty.
    #[schema(value_type = Option<Vec<RequestedOutput>>)]
    outputs: Option<Bounded<StrictObject<RequestedOutput>>>,
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(expecting = "an object")]
#[schema(as = InferenceParameters)]
struct RequestParameters {
    /// Predictions per picture, at most as many as there are classes; unless given 1, or of a
    /// multi-label model as many as it takes to have each label that reaches its threshold.
    #[schema(value_type = Option<u64>, minimum = 1)]
    top_k: Option<UInt>,
    /// The page of a TIFF, from 0; the first one unless given.
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 65_534)]
    page: Option<UInt>,
    /// Whether outputs go behind the JSON unless they say otherwise.
    binary_data_output: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with name, shape, datatype and data")]
#[schema(as = InferenceInput)]
struct Tensor<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<u64>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[schema(value_type = Option<TensorParameters>)]
    parameters: Option<StrictObject<TensorParameters>>,
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(expecting = "an object")]
#[schema(as = InferenceInputParameters)]
struct TensorParameters {
    binary_data_size: Option<u64>,
    #[schema(ignore)]
    shared_memory_region: Option<IgnoredAny>,
}

/// JSON, and binary tensors behind it
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct BinaryRequest(#[allow(dead_code)] Vec<u8>);

/// The header of a request with binary tensors, for the `OpenAPI` document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(super) struct InferHeaders {
    /// Bytes of JSON in a body with binary tensors; 0 where the body is one picture
    #[param(rename = "Inference-Header-Content-Length")]
    inference_header_content_length: Option<u64>,
}

/// Where the values of the input tensor stand.
#[derive(Clone, Copy)]
enum Data<'a> {
    Json(&'a RawValue),
    Binary(&'a [u8]),
}

/// Parse a body. `header_length` is the value of `Inference-Header-Content-Length`, if it is there;
/// zero means that there is no JSON and the body is one encoded picture.
pub(crate) fn parse(
    body: &[u8],
    header_length: Option<&[u8]>,
    expected: &Expected,
) -> Result<Inference, Problem> {
    let (json, mut behind) = binary::split(body, header_length)?;
    if json.is_empty() && header_length.is_some() {
        return raw(behind, expected.task);
    }
    let request: Body<'_> = body::json(json)?;
    let parameters = request.parameters.map(|StrictObject(given)| given).unwrap_or_default();
    let asked = parameters.top_k.map(|number| number.0);
    let top_k = asked.map(|asked| top_k(asked, expected.classes)).transpose()?;
    let page = page(parameters.page.map(|number| number.0))?;
    let binary = parameters.binary_data_output.unwrap_or(false);
    let outputs = wanted(request.outputs, binary, expected.task)?;
    let image = request.inputs.exactly_one().map(|StrictObject(tensor)| tensor);
    let image = image.filter(|tensor| tensor.name == "image");
    let image = image.ok_or_else(|| invalid("inputs: expected one tensor named image"))?;
    let n = batch(&image.shape, expected.max_batch)?;
    let data = image.data(&mut behind)?;
    if !behind.is_empty() {
        let left = behind.len();
        return Err(invalid(&format!("{left} bytes behind the JSON belong to no tensor")));
    }
    let pictures = match &*image.datatype {
        "BYTES" => encoded(&image.shape, data, n)?,
        "UINT8" => pixels(&image.shape, data, n, expected.input)?,
        _ => return Err(invalid("inputs[0].datatype: expected BYTES or UINT8")),
    };
    Ok(Inference { id: request.id, top_k, page, pictures, outputs })
}

/// The extension's raw form: the bytes of one picture.
fn raw(picture: &[u8], task: Task) -> Result<Inference, Problem> {
    if picture.is_empty() {
        return Err(Problem::MissingImage);
    }
    let pictures = Pictures::Encoded(vec![picture.to_vec()]);
    Ok(Inference { id: None, top_k: None, page: 0, pictures, outputs: wanted(None, false, task)? })
}

fn top_k(asked: u64, classes: usize) -> Result<usize, Problem> {
    let fits = usize::try_from(asked).ok().filter(|k| (1..=classes).contains(k));
    fits.ok_or_else(|| invalid(&format!("parameters.top_k is {asked}; expected 1 to {classes}")))
}

/// The first dimension, if a batch may be so large.
fn batch(shape: &[u64], limit: usize) -> Result<usize, Problem> {
    let n = shape.first().copied().unwrap_or(0);
    let count = usize::try_from(n).unwrap_or(usize::MAX);
    match count {
        0 => Err(Problem::MissingImage),
        count if count > limit => Err(Problem::BatchTooLarge { count, limit }),
        count => Ok(count),
    }
}

impl<'a> Tensor<'a> {
    /// The tensor's values; those behind the JSON are taken from there.
    fn data(&self, behind: &mut &'a [u8]) -> Result<Data<'a>, Problem> {
        let parameters = self.parameters.as_ref().map(|StrictObject(given)| given);
        if parameters.is_some_and(|parameters| parameters.shared_memory_region.is_some()) {
            return Err(invalid(SHARED_MEMORY));
        }
        let size = parameters.and_then(|parameters| parameters.binary_data_size);
        match (self.data, size) {
            (Some(data), None) => Ok(Data::Json(data)),
            (None, Some(size)) => binary::take(behind, size).map(Data::Binary),
            _ => Err(invalid("inputs[0]: expected data, or parameters.binary_data_size")),
        }
    }
}

/// Encoded pictures of a BYTES tensor `[N]`, or `[N, 1]` as clients of batching models send it.
fn encoded(shape: &[u64], data: Data<'_>, n: usize) -> Result<Pictures, Problem> {
    if !matches!(shape, [_] | [_, 1]) {
        return Err(invalid("inputs[0].shape: expected [N] or [N, 1] for BYTES"));
    }
    let pictures = match data {
        Data::Json(data) => {
            let texts: Vec<Cow<'_, str>> = json_data::flat(data, n)?;
            texts.iter().map(|text| base64::picture(text)).collect::<Result<_, _>>()?
        }
        Data::Binary(tensor) => {
            let pictures = binary::elements(tensor, n)?;
            if pictures.iter().any(|picture| picture.is_empty()) {
                return Err(Problem::MissingImage);
            }
            pictures.into_iter().map(<[u8]>::to_vec).collect()
        }
    };
    Ok(Pictures::Encoded(pictures))
}

/// Pixels of a UINT8 tensor `[N, H, W, 3]`.
fn pixels(shape: &[u64], data: Data<'_>, n: usize, input: InputSpec) -> Result<Pictures, Problem> {
    let sides = [n as u64, u64::from(input.height), u64::from(input.width), 3];
    if shape != sides {
        return Err(invalid(&format!("inputs[0].shape: expected {sides:?} for UINT8")));
    }
    // No overflow: a batch of 1024 pictures with sides of 4096 at most.
    let size = n * input.bytes();
    let bytes = match data {
        Data::Json(data) => json_data::flat(data, size)?,
        Data::Binary(tensor) if tensor.len() == size => tensor.to_vec(),
        Data::Binary(tensor) => {
            let found = tensor.len();
            return Err(invalid(&format!("inputs[0] has {found} bytes; its shape needs {size}")));
        }
    };
    Ok(Pictures::Pixels { bytes, n })
}

/// What the derived schemas cannot say: a data type goes with a shape; how many tensors there are.
pub(crate) fn constrain_schemas(schemas: &mut Value) {
    let data = |description: &str, items: Value| json!({ "type": "array", "minItems": 1, "description": description, "items": items });
    let tensor = |datatype: &str, dimensions: RangeInclusive<usize>, data: Value| {
        json!({
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": { "const": "image" },
                "datatype": { "const": datatype },
                "parameters": json!({ "$ref": "#/components/schemas/InferenceInputParameters" }),
                "shape": { "type": "array", "minItems": dimensions.start(), "maxItems": dimensions.end(),
                           "items": { "type": "integer", "minimum": 1 } },
                "data": data
            }
        })
    };
    schemas["InferenceInput"] = json!({
        "description": "The tensor `image`. In a request with binary tensors, `parameters.binary_data_size` stands for `data`",
        "oneOf": [
            tensor("BYTES", 1..=2, data("Encoded pictures", json!({ "$ref": "#/components/schemas/Base64Picture" }))),
            tensor("UINT8", 4..=4, data("RGB at the model's input size, `[N, H, W, 3]`, flat or nested", json!({})))
        ]
    });
    let all = Output::of(Task::MultiLabel);
    let names: Vec<&str> = all.iter().map(|output| output.name()).collect();
    schemas["InferenceRequestedOutput"]["properties"]["name"]["enum"] = json!(names);
    let request = &mut schemas["InferenceRequest"]["properties"];
    request["inputs"]["minItems"] = json!(1);
    request["inputs"]["maxItems"] = json!(1);
    request["outputs"]["maxItems"] = json!(all.len());
}
