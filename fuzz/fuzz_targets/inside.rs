//! What clients ask inside the tunnel: DHCP, DHCPv6, neighbour discovery, name and route lists.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::inside::{dhcp, dhcpv6, nd};

fuzz_target!(|data: &[u8]| {
    let _ = dhcp::Message::decode(data);
    let _ = dhcp::decode_routes(data);
    let _ = dhcpv6::Message::decode(data);
    let _ = wire::inside::decode_names("names", data);
    let _ = nd::RouterSolicitation::decode(data);
    let _ = nd::RouterAdvertisement::decode(data);
    let _ = nd::NeighbourSolicitation::decode(data);
    let _ = nd::NeighbourAdvertisement::decode(data);
});
