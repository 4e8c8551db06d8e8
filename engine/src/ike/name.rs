//! Names that the two sides give themselves in Aggressive Mode: those of the configuration, and how they are told.

use command::{IkeName, IkeNameKind};
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::isakmp::{IdType, Identification};

/// Characters of a name that the log shows.
const MOST_SHOWN: usize = 64;

/// Whether a client's identity bears this name. As on the router the type is not compared (yamaha.md §3.3), but where
/// the name stands for an address, its octets are.
#[must_use]
pub fn bears(identity: &Identification, name: &IkeName) -> bool {
    let address = match name.kind {
        Some(IkeNameKind::Ipv4Addr) => name.text.parse::<Ipv4Addr>().ok().map(|a| a.octets().to_vec()),
        Some(IkeNameKind::Ipv6Addr) => name.text.parse::<Ipv6Addr>().ok().map(|a| a.octets().to_vec()),
        Some(IkeNameKind::Fqdn | IkeNameKind::UserFqdn | IkeNameKind::KeyId) | None => None,
    };
    identity.data == name.text.as_bytes() || address.is_some_and(|octets| identity.data == octets)
}

/// Our own identity by this name. With IKEv1 the types of addresses and telephone numbers act like key-id (yamaha.md
/// §3.3), as does a name without a type.
#[must_use]
pub fn identity(name: &IkeName) -> Vec<u8> {
    let kind = match name.kind {
        Some(IkeNameKind::Fqdn) => IdType::Fqdn,
        Some(IkeNameKind::UserFqdn) => IdType::UserFqdn,
        Some(IkeNameKind::Ipv4Addr | IkeNameKind::Ipv6Addr | IkeNameKind::KeyId) | None => IdType::KeyId,
    };
    Identification { kind, protocol: 0, port: 0, data: name.text.as_bytes().to_vec() }.encode()
}

/// An identity as an operator writes it: name and type, the name without control characters and cut short.
#[must_use]
pub fn told(identity: &Identification) -> String {
    let text = || {
        let text = String::from_utf8_lossy(&identity.data);
        let clean: String = text.chars().filter(|c| !c.is_control()).take(MOST_SHOWN).collect();
        if clean.is_empty() || clean.contains([' ', '\'', '"']) {
            format!("\"{}\"", clean.replace('"', ""))
        } else {
            clean
        }
    };
    let octets = |len: usize| Some(identity.data.as_slice()).filter(|d| d.len() == len);
    let address = match identity.kind {
        IdType::Ipv4 => octets(4).and_then(|d| <[u8; 4]>::try_from(d).ok()).map(|d| Ipv4Addr::from(d).to_string()),
        IdType::Ipv6 => octets(16).and_then(|d| <[u8; 16]>::try_from(d).ok()).map(|d| Ipv6Addr::from(d).to_string()),
        _ => None,
    };
    match identity.kind {
        IdType::Ipv4 => format!("{} ipv4-addr", address.unwrap_or_else(text)),
        IdType::Ipv6 => format!("{} ipv6-addr", address.unwrap_or_else(text)),
        IdType::Fqdn => format!("{} fqdn", text()),
        IdType::UserFqdn => format!("{} user-fqdn", text()),
        _ => format!("{} key-id", text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, kind: Option<IkeNameKind>) -> IkeName {
        IkeName { text: text.to_owned(), kind }
    }

    fn of(kind: IdType, data: &[u8]) -> Identification {
        Identification { kind, protocol: 17, port: 0, data: data.to_vec() }
    }

    #[test]
    fn a_name_is_compared_whatever_its_type_and_an_address_by_its_octets() {
        let client = of(IdType::Fqdn, b"client1");
        for kind in [None, Some(IkeNameKind::Fqdn), Some(IkeNameKind::KeyId), Some(IkeNameKind::Ipv4Addr)] {
            assert!(bears(&client, &named("client1", kind)), "{kind:?}");
            assert!(!bears(&client, &named("client11", kind)), "{kind:?}");
        }
        let address = of(IdType::Ipv4, &[192, 168, 1, 2]);
        assert!(bears(&address, &named("192.168.1.2", Some(IkeNameKind::Ipv4Addr))));
        assert!(!bears(&address, &named("192.168.1.2", Some(IkeNameKind::Fqdn))));
    }

    #[test]
    fn an_identity_is_told_as_an_operator_would_write_it() {
        assert_eq!(told(&of(IdType::Fqdn, b"client1")), "client1 fqdn");
        assert_eq!(told(&of(IdType::KeyId, b"our group\n")), "\"our group\" key-id");
        assert_eq!(told(&of(IdType::Ipv4, &[10, 0, 0, 1])), "10.0.0.1 ipv4-addr");
        assert_eq!(told(&of(IdType::UserFqdn, b"a@example.net")), "a@example.net user-fqdn");
    }
}
