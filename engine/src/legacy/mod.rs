//! PPTP beside L2TP/IPsec (RFC 2637): the control connection, enhanced GRE, CCP, and MPPE under it.

mod call;
mod ccp;
mod encryption;
mod gre;
mod inner;
mod log;
mod mppe;
mod station;
mod worker;

pub use worker::{Datagram, GreTotals, Worker};

use crate::carrier::{Companion, Kind, Station};
use command::{Config, PpRef};

/// What calls bring along where the configuration asks for it.
pub(crate) const KIND: Kind = Kind { station, companion };

/// PPTP's station, where the configuration switches it on.
fn station(config: &Config) -> Option<Box<dyn Station>> {
    let pptp = command::legacy::pptp(config);
    pptp.service.then(|| Box::new(station::Pptp::new(pptp)) as Box<dyn Station>)
}

/// What agrees on MPPE in an L2TP call, where the pp that it ends on allows any.
fn companion(config: &Config, pp: PpRef, tunnel: u32) -> Option<Box<dyn Companion>> {
    let ccp = command::legacy::ccp(config, pp);
    (!ccp.keys.is_empty()).then(|| Box::new(inner::Inner::new(ccp, tunnel)) as Box<dyn Companion>)
}
