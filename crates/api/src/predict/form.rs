//! Pictures in a form: `multipart/form-data`, or `application/x-www-form-urlencoded`.

use std::convert::Infallible;

use bytes::Bytes;
use multer::{Field, Multipart};
use utoipa::ToSchema;

use super::options::Query;
use super::request::Pictures;
use crate::extract::base64;
use crate::problem::{Mangled, Problem};

/// Other fields than pictures that a form may have.
const MAX_FIELDS: usize = 64;

/// A form with files, for the `OpenAPI` document
#[derive(ToSchema)]
#[schema(as = PredictForm)]
#[allow(dead_code)]
pub(crate) struct FileForm {
    /// A file, or its base64. Files may have any name; several are a batch
    #[schema(format = Binary, value_type = String)]
    image: String,
    /// The page of a TIFF, from 0
    #[schema(minimum = 0, maximum = 65_534, nullable = false)]
    page: Option<u32>,
    /// How many predictions; 5 unless given. The other options are fields too
    #[schema(minimum = 1, maximum = 1000, nullable = false)]
    top_k: Option<u32>,
}

/// A form without files, for the `OpenAPI` document
#[derive(ToSchema)]
#[schema(as = PredictUrlEncodedForm)]
#[allow(dead_code)]
pub(crate) struct TextForm {
    /// Base64 of an encoded picture; `image` means the same, and `images`, repeated, are a batch
    #[schema(format = "base64-picture")]
    image_data: String,
    /// The page of a TIFF, from 0
    #[schema(minimum = 0, maximum = 65_534, nullable = false)]
    page: Option<u32>,
    /// How many predictions; 5 unless given. The other options are fields too
    #[schema(minimum = 1, maximum = 1000, nullable = false)]
    top_k: Option<u32>,
}

/// What a form's fields have been read to.
struct Form {
    limit: usize,
    pictures: Vec<Result<Vec<u8>, Problem>>,
    /// Pictures, kept or not.
    count: usize,
    /// Whether a picture's field was called `images`.
    is_batch: bool,
    /// Fields that are not pictures.
    options: Vec<(String, String)>,
}

/// Whether `body` can be an urlencoded form. curl's default says so of every body that it sends.
pub(super) fn is_text(body: &[u8]) -> bool {
    body.iter().all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
}

/// Pictures and options of `name=value&…`.
pub(super) fn url_encoded(body: &[u8], max_batch: usize) -> Result<(Pictures, Query), Problem> {
    let mut form = Form::new(max_batch);
    for (name, value) in form_urlencoded::parse(body) {
        if is_picture(&name) {
            form.push(&name, base64::picture(&value));
        } else {
            form.option(&name, value.into_owned())?;
        }
    }
    match form.finish() {
        // A body of another kind, sent with curl's default type.
        Err(Problem::MissingImage) => {
            Err(Mangled::of(body).map_or(Problem::MissingImage, Problem::Mangled))
        }
        read => read,
    }
}

/// Pictures and options of a form with files.
pub(super) async fn multipart(
    content_type: &str,
    body: Bytes,
    max_batch: usize,
) -> Result<(Pictures, Query), Problem> {
    let boundary = multer::parse_boundary(content_type).map_err(|error| invalid(&error))?;
    let body = futures::stream::once(async { Ok::<_, Infallible>(body) });
    let mut parts = Multipart::new(body, boundary);
    let mut form = Form::new(max_batch);
    while let Some(part) = parts.next_field().await.map_err(|error| invalid(&error))? {
        form.part(part).await?;
    }
    form.finish()
}

fn is_picture(name: &str) -> bool {
    matches!(name, "image_data" | "image" | "images" | "images[]")
}

fn invalid(error: &multer::Error) -> Problem {
    // The message names the part's field or the missing boundary.
    let message: String = error.to_string().chars().take(200).collect();
    Problem::InvalidParameter(format!("multipart/form-data: {message}"))
}

impl Form {
    fn new(limit: usize) -> Self {
        Self { limit, pictures: Vec::new(), count: 0, is_batch: false, options: Vec::new() }
    }

    async fn part(&mut self, part: Field<'_>) -> Result<(), Problem> {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let is_file = file_name.is_some()
            || part.content_type().is_some_and(|kind| kind.type_() == mime::IMAGE);
        let is_base64 = part
            .headers()
            .get("content-transfer-encoding")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"base64"));
        let bytes = part.bytes().await.map_err(|error| invalid(&error))?;
        if is_file && !is_base64 {
            // What a browser sends for a field in which no file was chosen.
            if file_name.as_deref() == Some("") && bytes.is_empty() {
                return Ok(());
            }
            let picture =
                if bytes.is_empty() { Err(Problem::MissingImage) } else { Ok(bytes.into()) };
            self.push(&name, picture);
            return Ok(());
        }
        let text = str::from_utf8(&bytes).map_err(|_| {
            let name: String = name.chars().take(60).collect();
            Problem::InvalidParameter(format!(
                "the field {name:?} is not text, and has no file name"
            ))
        })?;
        if is_file || is_picture(&name) {
            self.push(&name, base64::picture(text));
            return Ok(());
        }
        self.option(&name, text.to_owned())
    }

    fn push(&mut self, name: &str, picture: Result<Vec<u8>, Problem>) {
        self.count += 1;
        self.is_batch |= matches!(name, "images" | "images[]");
        if self.count <= self.limit {
            self.pictures.push(picture);
        }
    }

    fn option(&mut self, name: &str, value: String) -> Result<(), Problem> {
        if self.options.len() == MAX_FIELDS {
            let message = format!("the form has more than {MAX_FIELDS} fields beside its images");
            return Err(Problem::InvalidParameter(message));
        }
        self.options.push((name.to_owned(), value));
        Ok(())
    }

    /// One picture, or a batch of several.
    fn finish(mut self) -> Result<(Pictures, Query), Problem> {
        if self.count > self.limit {
            return Err(Problem::BatchTooLarge { count: self.count, limit: self.limit });
        }
        let options = self.options.iter().map(|(name, value)| (&**name, &**value));
        let options = Query::from_pairs(options, "the form")?;
        if self.is_batch || self.count > 1 {
            return Ok((Pictures::Batch(self.pictures), options));
        }
        match self.pictures.pop() {
            Some(picture) => Ok((Pictures::One(picture?), options)),
            None => Err(Problem::MissingImage),
        }
    }
}
