//! The rows of the table, by family.

pub(crate) mod elsewhere;
pub(crate) mod filter;
pub(crate) mod host;
pub(crate) mod ip;
pub(crate) mod ipsec;
pub(crate) mod l2tp;
pub mod legacy;
pub(crate) mod pp;
pub(crate) mod router;
pub(crate) mod show;
pub(crate) mod system;

use crate::config::Config;
use crate::problem::Severity;
use crate::table::{Row, Scope};
use crate::text::Text;

/// Rows that belong together.
pub(crate) struct Family {
    /// Its heading in the manual.
    pub(crate) title: &'static str,
    pub(crate) rows: &'static [Row],
    /// Words of `tunnel encapsulation` that it makes effective.
    pub(crate) serves: &'static [&'static str],
    /// The words of a service of its own that is on, where only a start opens its ports.
    pub(crate) opens: fn(&Config) -> Option<&'static str>,
    /// What does not go together between its lines.
    pub(crate) look: fn(&Config) -> Vec<Found>,
}

impl Family {
    const fn new(title: &'static str, rows: &'static [Row]) -> Self {
        Self { title, rows, serves: &[], opens: |_| None, look: |_| Vec::new() }
    }
}

/// Something that a family has found between lines.
pub(crate) struct Found {
    /// Where the line stands that is nearest to it.
    pub(crate) scope: Scope,
    /// The words of that line's row.
    pub(crate) words: &'static str,
    pub(crate) severity: Severity,
    pub(crate) message: Text,
}

/// Each family, in the order of the manual.
pub(crate) const FAMILIES: &[Family] = &[
    Family { serves: &["l2tp"], ..Family::new("L2TP and tunnels", l2tp::ROWS) },
    Family::new("IPsec and IKE", ipsec::ROWS),
    Family::new("PP interfaces and PPP", pp::ROWS),
    Family::new("Packet filters", filter::ROWS),
    Family::new("IP, DNS, DHCP and NAT", ip::ROWS),
    Family::new("System", system::ROWS),
    Family::new("Other commands of the routers", router::ROWS),
    legacy::FAMILY,
    Family::new("What can be asked and done", show::ROWS),
    Family::new("What the routers show and do, and the host has elsewhere", elsewhere::ROWS),
];

/// Whether a tunnel of this encapsulation is served.
pub(crate) fn is_served(encapsulation: &str) -> bool {
    FAMILIES.iter().any(|family| family.serves.contains(&encapsulation))
}
