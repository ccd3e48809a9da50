//! Code points: IANA's numbers and RFC names, apart from the code that uses them.

/// Name of an error code and subcode, as in RFC 4271 §4.5.
#[must_use]
pub fn describe(code: u8, subcode: u8) -> String {
    format!("{code}/{subcode}")
}
