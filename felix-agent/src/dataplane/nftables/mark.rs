//! Two fields in a connection's mark: with which generation of policy each end has let it pass.
//!
//! ```text
//! 31            24+s            12+s              s      0
//! ┌───────────────┬──────────────┬───────────────┬──────┐
//! │ others'       │ ingress      │ egress        │ o.   │   s = shift, 0 to 8
//! └───────────────┴──────────────┴───────────────┴──────┘
//! ```
//!
//! A field is written by the chain of the endpoint whose end it is: the source's for egress, the destination's for ingress.
//! Both ends of a connection within one node share its mark, which is why there are two. No bit beyond the fields is ever
//! changed.

use policy::program::Direction;

use super::table::Bits;

/// Width of a field.
const FIELD_BITS: u8 = 12;
const FIELD_MASK: u32 = (1 << FIELD_BITS) - 1;

/// What a field holds: the generation of policy that let the connection pass, or one of the two that are none.
pub type Generation = u16;

/// No end of ours has judged the connection.
pub const UNJUDGED: Generation = 0;
/// The first generation.
pub const FIRST: Generation = 1;
/// The last one; after it comes the first again.
pub const LAST: Generation = 0xffe;
/// The end has denied the connection, its answers too.
pub const REVOKED: Generation = 0xfff;

/// Where in the mark the fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MarkLayout {
    shift: u8,
}

impl MarkLayout {
    /// The highest shift with which both fields are within the mark.
    pub const MAX_SHIFT: u8 = 32 - 2 * FIELD_BITS;

    /// The fields from bit `shift` on; `None` beyond [`Self::MAX_SHIFT`].
    #[must_use]
    pub fn new(shift: u8) -> Option<Self> {
        (shift <= Self::MAX_SHIFT).then_some(Self { shift })
    }

    /// A field with a value.
    #[must_use]
    pub fn bits(self, direction: Direction, generation: Generation) -> Bits {
        let place = self.place(direction);
        Bits { mask: FIELD_MASK << place, value: (u32::from(generation) & FIELD_MASK) << place }
    }

    /// Both fields, empty.
    #[must_use]
    pub fn both_unjudged(self) -> Bits {
        let mask = self.bits(Direction::Egress, REVOKED).mask | self.bits(Direction::Ingress, REVOKED).mask;
        Bits { mask, value: 0 }
    }

    /// What a field of a mark holds.
    #[must_use]
    pub fn field(self, direction: Direction, mark: u32) -> Generation {
        // Twelve bits fit sixteen.
        u16::try_from(mark >> self.place(direction) & FIELD_MASK).unwrap_or(REVOKED)
    }

    /// The generation that setting these bits writes, if they are this field.
    #[must_use]
    pub fn generation(self, direction: Direction, bits: Bits) -> Option<Generation> {
        let is_field = self.bits(direction, UNJUDGED).mask == bits.mask;
        is_field.then(|| self.field(direction, bits.value))
    }

    fn place(self, direction: Direction) -> u8 {
        match direction {
            Direction::Egress => self.shift,
            Direction::Ingress => self.shift + FIELD_BITS,
        }
    }
}
