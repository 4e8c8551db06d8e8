//! Addresses of `dhcp scope` for callers (`pool dhcp`): the server lends them itself.

use std::net::Ipv4Addr;

use crate::config::{Config, DhcpScope};
use crate::text::{Fault, Text};

/// How many exceptions a scope may have.
const MOST: usize = 256;

/// Gives the addresses of all scopes to the interfaces that ask for them: the last ones to numbered interfaces, one each,
/// all others to the anonymous one.
pub(crate) fn settle(config: &mut Config) {
    let own: Vec<Ipv4Addr> = config.lans.values().filter_map(|lan| lan.address).map(|(address, _)| address).collect();
    let mut free: Vec<(Ipv4Addr, Ipv4Addr)> =
        config.dhcp_scopes.values().flat_map(|scope| ranges(scope, &own)).collect();
    for pp in config.pps.values_mut().filter(|pp| pp.from_scopes) {
        let Some((first, last)) = free.pop() else { break };
        pp.remote_address = Some(last);
        if first < last {
            free.push((first, Ipv4Addr::from_bits(last.to_bits() - 1)));
        }
    }
    if config.anonymous.from_scopes {
        config.anonymous.pool = free;
    }
}

/// What is left of a scope without its exceptions and this side's own addresses.
fn ranges(scope: &DhcpScope, own: &[Ipv4Addr]) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let mut left = vec![(scope.first.to_bits(), scope.last.to_bits())];
    let own = own.iter().map(|address| (*address, *address));
    for (from, to) in scope.except.iter().copied().chain(own).map(|(from, to)| (from.to_bits(), to.to_bits())) {
        let cut = |(first, last): (u32, u32)| {
            let before = (first < from).then(|| (first, last.min(from.wrapping_sub(1))));
            let behind = (last > to).then(|| (first.max(to.wrapping_add(1)), last));
            [before, behind].into_iter().flatten()
        };
        left = left.into_iter().flat_map(cut).collect();
    }
    left.into_iter().map(|(first, last)| (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last))).collect()
}

/// The words of `dhcp scope` behind its number: `A-B/M [except A …] [gateway G] [expire T] [maxexpire T]`.
pub(crate) fn read(words: &[String]) -> Result<DhcpScope, (usize, Text)> {
    let address = |at: usize, word: &str| {
        word.parse::<Ipv4Addr>().map_err(|_| {
            let why = Fault::BadAddress.because(
                format_args!("\"{word}\" is not an IPv4 address such as 192.168.100.1"),
                format_args!("\"{word}\"は192.168.100.1のようなIPv4アドレスではありません"),
            );
            (at, why)
        })
    };
    let right = || {
        Fault::BadAddress.because(
            "write the range with its mask, as in 192.168.100.2-192.168.100.191/24",
            "192.168.100.2-192.168.100.191/24のように範囲とマスクを書いてください",
        )
    };
    let Some((range, mask)) = words.first().and_then(|word| word.split_once('/')) else { return Err((0, right())) };
    let bits = match (mask.parse::<u8>(), mask.parse::<Ipv4Addr>()) {
        (Ok(bits), _) if bits <= 32 => bits,
        (Err(_), Ok(mask)) if mask.to_bits().leading_ones() + mask.to_bits().trailing_zeros() >= 32 => {
            mask.to_bits().leading_ones() as u8
        }
        _ => return Err((0, right())),
    };
    let Some((first, last)) = range.split_once('-') else { return Err((0, right())) };
    let (first, last) = (address(0, first)?, address(0, last)?);
    if first > last {
        return Err((0, right()));
    }
    let mut scope = DhcpScope { first, last, bits, except: Vec::new() };
    let mut excepting = false;
    let mut at = 1;
    while let Some(word) = words.get(at) {
        match word.to_ascii_lowercase().as_str() {
            "except" => excepting = true,
            "gateway" | "expire" | "maxexpire" if words.get(at + 1).is_some() => {
                excepting = false;
                if word.eq_ignore_ascii_case("gateway") {
                    address(at + 1, &words[at + 1])?;
                }
                at += 1;
            }
            _ if excepting && scope.except.len() < MOST => {
                let (from, to) = word.split_once('-').unwrap_or((word, word));
                scope.except.push((address(at, from)?, address(at, to)?));
            }
            _ => {
                let why = Fault::IllegalKeyword.because(
                    format_args!("\"{word}\" cannot stand here; what can is except ADDRESS, gateway ADDRESS, expire TIME, maxexpire TIME"),
                    format_args!("\"{word}\"は書けません。書けるのはexcept アドレス・gateway アドレス・expire 時間・maxexpire 時間です"),
                );
                return Err((at, why));
            }
        }
        at += 1;
    }
    Ok(scope)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use crate::parse;
    use std::net::Ipv4Addr;

    fn address(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn callers_are_given_what_the_scopes_leave() {
        let (config, _) = parse(
            "dhcp scope 1 10.0.0.10-10.0.0.20/24 except 10.0.0.12 10.0.0.15-10.0.0.16 gateway 10.0.0.1 expire 72:00\ndhcp scope 2 10.0.0.40-10.0.0.41/255.255.255.0\npp select anonymous\n ip pp remote address pool dhcp\npp select 3\n ip pp remote address dhcp\n",
        );
        let range = |first, last| (address(first), address(last));
        assert_eq!(config.anonymous.pool, [range(10, 11), range(13, 14), range(17, 20), range(40, 40)]);
        assert_eq!(config.pps[&3].remote_address, Some(address(41)));
    }

    #[test]
    fn an_address_of_this_side_within_a_scope_is_lent_to_nobody() {
        let (config, problems) = parse(
            "ip lan1 address 10.0.0.12/24\ndhcp scope 1 10.0.0.10-10.0.0.14/24\npp select anonymous\n ip pp remote address pool dhcp\n",
        );
        assert_eq!(config.anonymous.pool, [(address(10), address(11)), (address(13), address(14))]);
        assert!(problems.iter().all(|p| !p.message.english.contains("cannot be lent")), "{problems:?}");
    }

    #[test]
    fn without_a_scope_nobody_is_given_an_address() {
        let (config, _) = parse("pp select anonymous\n ip pp remote address pool dhcp\n");
        assert!(config.anonymous.pool.is_empty() && config.anonymous.from_scopes);
    }
}
