//! The rows of the table, by family.

pub(crate) mod filter;
pub(crate) mod host;
pub(crate) mod ip;
pub(crate) mod ipsec;
pub(crate) mod l2tp;
pub(crate) mod pp;
pub(crate) mod router;
pub(crate) mod show;
pub(crate) mod system;

use crate::table::Row;

/// Each family's title and rows, in the order of the manual.
pub(crate) const fn families() -> [(&'static str, &'static [Row]); 8] {
    [
        ("L2TP and tunnels", l2tp::ROWS),
        ("IPsec and IKE", ipsec::ROWS),
        ("PP interfaces and PPP", pp::ROWS),
        ("Packet filters", filter::ROWS),
        ("IP, DNS, DHCP and NAT", ip::ROWS),
        ("System", system::ROWS),
        ("Other commands of the routers", router::ROWS),
        ("What can be asked and done", show::ROWS),
    ]
}
