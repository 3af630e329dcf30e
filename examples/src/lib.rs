//! Nothing but a place for the examples beside it.
