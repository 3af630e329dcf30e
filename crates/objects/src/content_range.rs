//! `Content-Range`, from a server that may be wrong.

/// `bytes first-last/total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) total: u64,
}

impl ContentRange {
    /// `None` unless the header is of the form of RFC 9110 and does not contradict itself.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        (first <= last && last < total).then_some(Self { first, total })
    }
}

/// Digits only: `u64::from_str` would accept a sign as well.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_form_is_read() {
        let range = ContentRange::parse("bytes 100-199/1000");
        assert_eq!(range, Some(ContentRange { first: 100, total: 1000 }));
    }

    #[test]
    fn hostile_values_are_refused() {
        for header in [
            "",
            "bytes */1000",
            "bytes 0-99/*",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes 0-0/0",
            "bytes -1-5/10",
            "bytes 0-+5/10",
            "bytes 0-1/99999999999999999999999",
            "items 0-1/2",
        ] {
            assert_eq!(ContentRange::parse(header), None, "{header}");
        }
    }
}
