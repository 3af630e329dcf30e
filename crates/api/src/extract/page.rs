//! The option `page`.

use crate::problem::Problem;

/// So many pages of a file are counted.
const MOST_PAGES: u32 = 65_535;

/// The page that a request asks for, 0 unless given; only its file says whether it has the page.
pub(crate) fn page(given: Option<u64>) -> Result<u32, Problem> {
    let given = given.unwrap_or_default();
    u32::try_from(given).ok().filter(|page| *page < MOST_PAGES).ok_or_else(|| {
        let most = MOST_PAGES - 1;
        Problem::InvalidParameter(format!("page is {given}; expected 0 to {most}"))
    })
}
