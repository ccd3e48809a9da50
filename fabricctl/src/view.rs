//! Answers in the shapes that people and programs are shown.
//!
//! Every view converts from its message by naming every field, so that a field added to the contract does not
//! compile until somebody has decided how it is shown. Names are camelCase; ages are milliseconds (`…Ms`); counts
//! that may exceed 64 bits are decimal strings; what is unknown is an empty string or `null`, never left out.
//! A listing is an object with the list under its plural, so that other facts can join it later.

pub(crate) mod check;
pub(crate) mod convert;
pub(crate) mod datastore;
pub(crate) mod endpoint;
pub(crate) mod endpoints;
pub(crate) mod events;
pub(crate) mod ipam;
pub(crate) mod node;
pub(crate) mod peer;
pub(crate) mod peers;
pub(crate) mod policy;
pub(crate) mod release;
pub(crate) mod reservation;
pub(crate) mod reset;
pub(crate) mod resources;
pub(crate) mod routes;
pub(crate) mod watch;
pub(crate) mod why;
