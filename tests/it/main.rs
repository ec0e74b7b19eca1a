//! The house's own tests: its rules ([`tidy`]), its coverage ([`coverage`]), its README ([`readme`]).

mod coverage;
mod readme;
mod sources;
mod tidy;
