//! Reads settings from environment variables.
//!
//! Every part of the product reads its variables through [`Strings`], so there is one error, one form
//! of message and one meaning of an empty value: unset. A number is declared once, as a [`Number`]
//! with its default and its range; the command line takes both from the same declaration.
//!
//! ```
//! use glimpse_settings::{Number, Strings as _};
//!
//! const MAX_BATCH: Number<usize> = Number::new("GLIMPSE_MAX_BATCH", 16, 1..=1024);
//!
//! let environment = [("GLIMPSE_MAX_BATCH", "many"), ("GLIMPSE_S3_BUCKETS", "claims, tiles")];
//! assert_eq!(environment.list("GLIMPSE_S3_BUCKETS")?, ["claims", "tiles"]);
//! assert_eq!(
//!     MAX_BATCH.read(&environment).unwrap_err().to_string(),
//!     "GLIMPSE_MAX_BATCH is `many`; expected a whole number from 1 to 1024",
//! );
//! # Ok::<(), glimpse_settings::SettingError>(())
//! ```

mod error;
mod list;
mod number;
mod strings;

pub use error::SettingError;
pub use list::List;
pub use number::{Number, Whole};
pub use strings::{Environment, Strings};
