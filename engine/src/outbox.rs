//! What the engine wants done: everything that one input causes is written into a box that the caller lends.

use crate::carrier::StreamId;
use crate::event::Event;
use crate::ike::{Endpoint, Job};
use crate::path::Update;
use crate::status::Reply;
use core::net::{Ipv4Addr, Ipv6Addr};

/// A change of the host that the world outside makes for the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostChange {
    /// Route this address to the TUN device, and answer for it on the LAN if a name is given.
    ClientUp {
        /// The client's inside address.
        address: Ipv4Addr,
        /// The LAN (`lan1`) whose proxy ARP covers it.
        lan: Option<String>,
    },
    /// Take both back.
    ClientDown {
        /// The client's inside address.
        address: Ipv4Addr,
    },
    /// Route this IPv6 prefix of 64 bits to the TUN device.
    PrefixUp {
        /// The client's prefix.
        prefix: Ipv6Addr,
    },
    /// Take the route back.
    PrefixDown {
        /// The client's prefix.
        prefix: Ipv6Addr,
    },
}

/// One thing to do.
pub enum Output {
    /// Send an ISAKMP message. On port 4500 the world outside puts the non-ESP marker before it (RFC 3948 §2.2).
    Send {
        /// From where to where.
        endpoint: Endpoint,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Send the one octet that keeps a NAT's mapping (RFC 3948 §2.3).
    Keepalive {
        /// From where to where.
        endpoint: Endpoint,
    },
    /// Tell the worker that owns the client. It must know before a later [`Output::Send`] leaves.
    Path(Update),
    /// The same for a client whose call is not carried by ESP: its worker is another one.
    Aside(Update),
    /// Send these octets in a stream.
    Stream {
        /// Which.
        stream: StreamId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Close a stream, after what was sent in it before.
    Close {
        /// Which.
        stream: StreamId,
    },
    /// Tell the operator.
    Event(Event),
    /// Send a DHCP message out of a LAN's interface, from port 68 to port 67.
    Dhcp {
        /// The LAN, as `lan1`.
        lan: String,
        /// To this server; to all where there is none.
        server: Option<Ipv4Addr>,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Change the host.
    Host(HostChange),
    /// Have this computed and hand the result in.
    Compute(Job),
    /// The answer to a request.
    Reply(Reply),
}

/// Things to do for which a box keeps room.
const USUAL: usize = 1024;

/// The box.
#[derive(Default)]
pub struct Outbox(Vec<Output>);

impl Outbox {
    /// An empty box.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.0.push(output);
    }

    pub(crate) fn extend(&mut self, outputs: impl IntoIterator<Item = Output>) {
        self.0.extend(outputs);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts what `lines` says of each thing to do from `from` on before it.
    pub(crate) fn precede(&mut self, from: usize, mut lines: impl FnMut(&Output) -> Vec<Output>) {
        let rest = self.0.split_off(from.min(self.0.len()));
        for output in rest {
            self.0.extend(lines(&output));
            self.0.push(output);
        }
    }

    /// Lets go of the room that an unusual input took; to be called of an empty box.
    pub fn settle(&mut self) {
        self.0.shrink_to(USUAL);
    }

    /// Takes everything out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Output> + '_ {
        self.0.drain(..)
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_kept_the_room_of_its_fullest_hour() {
        let mut out = Outbox::new();
        let address = Ipv4Addr::new(192, 168, 100, 200);
        out.extend((0..USUAL * 8).map(|_| Output::Host(HostChange::ClientDown { address })));
        assert_eq!(out.drain().count(), USUAL * 8);
        out.settle();
        assert!(out.0.capacity() < USUAL * 2, "room for {}", out.0.capacity());
    }
}
