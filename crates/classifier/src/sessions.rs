//! The session that runs a model and, where that is another provider's, the CPU provider's for pictures
//! that it decides.

use std::time::Duration;

use crate::error::ClassifyError;
use crate::outputs::{Outputs, Row};
use crate::session::{Session, Wanted};

/// The sessions of one model.
pub(crate) struct Sessions {
    main: Session,
    /// The CPU provider's, where `main` is another provider's.
    cpu: Option<Session>,
}

/// The outputs of pictures, of those that the CPU provider decided from its run.
pub(crate) struct Decided {
    main: Outputs,
    cpu: Option<Outputs>,
    /// The places of the pictures in `cpu`, ascending.
    places: Vec<usize>,
}

impl Sessions {
    pub(crate) fn of_cpu(main: Session) -> Self {
        Self { main, cpu: None }
    }

    pub(crate) fn of_provider(main: Session, cpu: Session) -> Self {
        Self { main, cpu: Some(cpu) }
    }

    /// The session that runs the model.
    pub(crate) fn main(&self) -> &Session {
        &self.main
    }

    /// Run `n` pictures ([`Session::run_for`]). Where another provider runs the model, the CPU provider
    /// runs those again, together, that `is_close` names by their place and logits.
    pub(crate) fn run_for(
        &self,
        wanted: Wanted,
        (pixels, n): (&[u8], usize),
        is_close: impl Fn(usize, &[f32]) -> bool,
    ) -> Result<Decided, ClassifyError> {
        let main = self.main.run_for(wanted, pixels, n)?;
        let Some(session) = &self.cpu else { return Ok(Decided::by_one(main)) };
        let rows = main.rows().enumerate();
        let close = rows.filter(|(place, row)| is_close(*place, row.logits));
        let places: Vec<usize> = close.map(|(place, _)| place).collect();
        let again = match places.len() {
            0 => return Ok(Decided::by_one(main)),
            all if all == n => session.run_for(wanted, pixels, n),
            some => {
                let bytes = pixels.len() / n;
                let picture = |place: &usize| &pixels[place * bytes..][..bytes];
                let pixels = places.iter().map(picture).collect::<Vec<_>>().concat();
                session.run_for(wanted, &pixels, some)
            }
        };
        match again {
            Ok(cpu) => Ok(Decided { main, cpu: Some(cpu), places }),
            Err(error) => {
                tracing::error!(%error, "the CPU provider could not decide close labels");
                Ok(Decided::by_one(main))
            }
        }
    }

    /// Run `n` pictures by the CPU provider alone.
    pub(crate) fn run_by_cpu(
        &self,
        wanted: Wanted,
        (pixels, n): (&[u8], usize),
    ) -> Result<Decided, ClassifyError> {
        match &self.cpu {
            Some(session) => {
                let main = session.run_for(wanted, pixels, n)?;
                Ok(Decided { main, cpu: None, places: (0..n).collect() })
            }
            None => Ok(Decided::by_one(self.main.run_for(wanted, pixels, n)?)),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        1 + u64::from(self.cpu.is_some())
    }

    /// How long the run that is under way takes already.
    pub(crate) fn run_age(&self) -> Option<Duration> {
        self.each().filter_map(Session::run_age).max()
    }

    /// Tell runs that take longer than `limit` to end; whether there was one.
    pub(crate) fn end_run_after(&self, limit: Duration) -> bool {
        self.each().filter(|session| session.end_run_after(limit)).count() > 0
    }

    fn each(&self) -> impl Iterator<Item = &Session> {
        [&self.main].into_iter().chain(&self.cpu)
    }
}

impl Decided {
    /// Those of a run that decides nothing.
    fn by_one(main: Outputs) -> Self {
        Self { main, cpu: None, places: Vec::new() }
    }

    /// One for each picture, in order, and whether it is the CPU provider's in place of another's.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Row<'_>, bool)> {
        self.main.rows().enumerate().map(|(place, row)| match self.places.binary_search(&place) {
            Ok(again) => (self.cpu.as_ref().map_or(row, |cpu| cpu.row(again)), true),
            Err(_) => (row, false),
        })
    }
}
