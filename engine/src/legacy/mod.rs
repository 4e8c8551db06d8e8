//! PPTP beside L2TP/IPsec (RFC 2637): the control connection, enhanced GRE, CCP, and MPPE under it.

mod call;
mod ccp;
mod gre;
mod log;
mod mppe;
mod station;
mod worker;

pub use worker::{Datagram, GreTotals, Worker};

use crate::carrier::Station;
use command::Config;

/// PPTP's station, where the configuration switches it on.
pub(crate) fn station(config: &Config) -> Option<Box<dyn Station>> {
    let pptp = command::legacy::pptp(config);
    pptp.service.then(|| Box::new(station::Pptp::new(pptp)) as Box<dyn Station>)
}
