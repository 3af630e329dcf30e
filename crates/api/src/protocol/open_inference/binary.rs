//! The binary tensor data extension: tensors' bytes behind the JSON.
//!
//! Every length here is the client's word: none is allocated or added up unchecked.

use crate::problem::Problem;

/// Bytes of the length before each element of a BYTES tensor.
const PREFIX: usize = 4;

/// Split a body where its JSON ends. `header_length` is `Inference-Header-Content-Length`; without
/// it the whole body is JSON.
pub(super) fn split<'a>(
    body: &'a [u8],
    header_length: Option<&[u8]>,
) -> Result<(&'a [u8], &'a [u8]), Problem> {
    let Some(length) = header_length else {
        return Ok((body, &[]));
    };
    let digits =
        str::from_utf8(length).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let length: usize = digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| invalid("Inference-Header-Content-Length is not a number of bytes"))?;
    body.split_at_checked(length).ok_or_else(|| {
        let found = body.len();
        invalid(&format!("Inference-Header-Content-Length is {length}; the body has {found} bytes"))
    })
}

/// Take the next tensor's bytes from the front of `rest`.
pub(super) fn take<'a>(rest: &mut &'a [u8], size: u64) -> Result<&'a [u8], Problem> {
    let taken = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
    let (tensor, behind) = taken.ok_or_else(|| {
        let left = rest.len();
        invalid(&format!("binary_data_size is {size}; behind the JSON are {left} bytes"))
    })?;
    *rest = behind;
    Ok(tensor)
}

/// The `n` elements of a BYTES tensor: each a little-endian length of 4 bytes, then as many bytes.
pub(super) fn elements(mut tensor: &[u8], n: usize) -> Result<Vec<&[u8]>, Problem> {
    let mut elements = Vec::new();
    while let Some((prefix, behind)) = tensor.split_first_chunk::<PREFIX>() {
        if elements.len() == n {
            return Err(invalid(&format!("inputs[0] has more than the {n} elements of its shape")));
        }
        let length = u32::from_le_bytes(*prefix);
        let element =
            usize::try_from(length).ok().and_then(|length| behind.split_at_checked(length));
        let (element, behind) = element.ok_or_else(|| {
            let (index, left) = (elements.len(), behind.len());
            invalid(&format!(
                "element {index} of inputs[0] announces {length} bytes; {left} follow"
            ))
        })?;
        elements.push(element);
        tensor = behind;
    }
    if !tensor.is_empty() {
        return Err(invalid("inputs[0] ends within the length of an element"));
    }
    if elements.len() < n {
        let found = elements.len();
        return Err(invalid(&format!("inputs[0] has {found} elements; its shape needs {n}")));
    }
    Ok(elements)
}

/// Write one element of a BYTES tensor.
pub(super) fn push_element(tensor: &mut Vec<u8>, element: &[u8]) {
    // A label is a line of a text file of less than 4 GiB.
    let length = u32::try_from(element.len()).unwrap_or(u32::MAX);
    tensor.extend_from_slice(&length.to_le_bytes());
    tensor.extend_from_slice(element);
}

fn invalid(message: &str) -> Problem {
    Problem::InvalidParameter(message.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn elements_are_read_as_they_were_written(
            written in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..9)
        ) {
            let mut tensor = Vec::new();
            for element in &written {
                push_element(&mut tensor, element);
            }
            prop_assert_eq!(elements(&tensor, written.len()).unwrap(), written.clone());
            prop_assert!(elements(&tensor, written.len() + 1).is_err());
            for cut in 0..tensor.len() {
                prop_assert!(elements(&tensor[..cut], written.len()).is_err());
            }
        }

        #[test]
        fn any_bytes_are_elements_or_an_error(tensor: Vec<u8>, n in 0usize..20) {
            if let Ok(found) = elements(&tensor, n) {
                let bytes: usize = found.iter().map(|element| PREFIX + element.len()).sum();
                prop_assert_eq!((found.len(), bytes), (n, tensor.len()));
            }
        }

        #[test]
        fn a_body_is_split_where_it_can_be(body: Vec<u8>, length: usize) {
            for length in [length, length % (body.len() + 1)] {
                let text = length.to_string();
                match split(&body, Some(text.as_bytes())) {
                    Ok((json, rest)) => {
                        prop_assert_eq!(json.len(), length);
                        prop_assert_eq!([json, rest].concat(), body.clone());
                    }
                    Err(_) => prop_assert!(length > body.len()),
                }
            }
        }
    }

    #[test]
    fn invalid_lengths_are_refused() {
        for length in ["", "-1", "+1", "1 ", "0x1", "1e1", "18446744073709551616", "é"] {
            assert!(split(b"{}", Some(length.as_bytes())).is_err(), "{length}");
        }
        assert_eq!(split(b"{}", Some(b"002")).unwrap(), (&b"{}"[..], &b""[..]));
        assert_eq!(split(b"{}", None).unwrap(), (&b"{}"[..], &b""[..]));
    }

    #[test]
    fn sizes_beyond_the_body_are_refused() {
        let mut rest: &[u8] = b"abc";
        for size in [4, u64::from(u32::MAX), u64::MAX] {
            assert!(take(&mut rest, size).is_err(), "{size}");
        }
        assert_eq!(take(&mut rest, 2).unwrap(), b"ab");
        assert_eq!((take(&mut rest, 1).unwrap(), rest), (&b"c"[..], &b""[..]));
    }
}
