//! Sessions that ESP does not carry: the same checks, counters and notes, around frames that another worker moves.

use super::outbound::Fitting;
use super::table::Seen;
use super::{ClientId, Drop, Verdict, Worker};
use crate::time::Instant;
use core::ops::Range;
use wire::ip::fragment_ipv4;

/// An IP packet that may go to a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// To whom.
    pub client: ClientId,
    /// Whether it is IPv6.
    pub is_ipv6: bool,
    /// The packet, or its fragments.
    pub packets: Vec<Vec<u8>>,
}

impl Worker {
    /// A PPP frame of a client's session, at `frame` in the bytes, which its carrier vouches for.
    pub fn receive_aside(&mut self, client: ClientId, bytes: &mut [u8], frame: Range<usize>, now: Instant) -> Verdict {
        let Some(at) = self.table.place_of(client) else {
            self.totals.count(Drop::WrongSession);
            return Verdict::Dropped(Drop::WrongSession);
        };
        self.table.saw(at, Seen::Alive);
        let verdict = self.receive_frame(at, bytes, frame, now).unwrap_or_else(|why| {
            self.totals.count(why);
            Verdict::Dropped(why)
        });
        self.table.flush(&mut self.notes, now);
        verdict
    }

    /// An IP packet for a client.
    ///
    /// # Errors
    ///
    /// If it goes no further; what its sender should know of it comes out of [`Self::poll_reply`].
    pub fn admit_aside(&mut self, packet: &mut [u8], now: Instant) -> Result<Admitted, Drop> {
        let fitting = self.fit(packet, now).inspect_err(|why| self.totals.count(*why))?;
        let Fitting { place, len, limit, is_ipv6 } = fitting;
        let client = self.table.clients.get(place).map(|client| client.id).ok_or(Drop::NoClient)?;
        let packet = packet.get(..len).ok_or(Drop::BadIp)?;
        let mut packets = Vec::new();
        if len > usize::from(limit) {
            let mut cut = |header: &[u8], data: &[u8]| packets.push([header, data].concat());
            fragment_ipv4(packet, usize::from(limit), &mut cut);
            self.totals.fragmented += 1;
        } else {
            packets.push(packet.to_vec());
        }
        self.count_sent(place, len, is_ipv6);
        self.table.flush(&mut self.notes, now);
        Ok(Admitted { client, is_ipv6, packets })
    }

    /// Counts a packet that a carrier drops for a reason that the data path knows.
    pub fn drop_aside(&mut self, why: Drop) {
        self.totals.count(why);
    }
}
