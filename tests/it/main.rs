//! The house's own tests: its rules ([`tidy`]), its coverage ([`coverage`]), its README ([`readme`]), and
//! what services answer, exchange by exchange ([`transcripts`]).

mod coverage;
mod readme;
mod sources;
mod tidy;
mod transcripts;
