//! What protects a session's IP packets once more, inside of PPP's frames; few sessions have it, and it is asked for each packet.

use core::fmt::Debug;

/// What a frame of the client was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unveiled {
    /// An IP packet: its frame as it would have come without a veil, from the protocol field on.
    Ip(Vec<u8>),
    /// Nothing that the veil knows of.
    Other,
    /// The veil's own affair; if there is an answer, it is this frame.
    Own(Option<Vec<u8>>),
    /// What must not come so: in the clear, or not to be read.
    Refused,
}

/// Both directions of one session.
pub trait Veil: Debug + Send {
    /// How many octets it adds to an IP packet.
    fn overhead(&self) -> u16;
    /// The PPP frame for an IP packet, from the protocol field on.
    fn seal(&mut self, packet: &[u8]) -> Vec<u8>;
    /// What a frame of the client was, address and control field and all.
    fn open(&mut self, frame: &[u8]) -> Unveiled;
}
