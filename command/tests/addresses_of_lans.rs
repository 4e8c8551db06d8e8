//! `dhcpc`: which LAN's DHCP server is asked for callers' addresses, and what is said about slips.

use command::{Config, Severity, parse};

const ASKING: &str = "ip lan1 address 192.168.100.1/24\nip lan1 proxyarp on\npp select anonymous\n pp bind tunnel1\n \
    pp auth request mschap-v2\n pp auth username taro secret\n ip pp remote address pool dhcpc lan1\n pp enable anonymous\n";

fn parsed(text: &str) -> (Config, Vec<(Severity, String)>) {
    let (config, problems) = parse(text);
    let told = problems.iter().filter(|p| p.message.english.contains("lan") || p.message.english.contains("address"));
    (config, told.map(|p| (p.severity, p.message.english.clone())).collect())
}

#[test]
fn a_lan_is_asked_the_first_one_where_none_is_named() {
    let lan = |text: &str| parsed(text).0.anonymous.from_lan;
    assert_eq!(lan(ASKING), Some("lan1".to_owned()));
    assert_eq!(lan(&ASKING.replace("dhcpc lan1", "dhcpc")), Some("lan1".to_owned()));
    assert_eq!(lan(&ASKING.replace("dhcpc lan1", "dhcpc lan2/1")), Some("lan2/1".to_owned()));
    assert_eq!(lan(&ASKING.replace("dhcpc lan1", "dhcp")), None);
    let again = format!("{ASKING}pp select anonymous\n ip pp remote address pool 192.168.100.50-192.168.100.60\n");
    assert_eq!(lan(&again), None, "the last line counts");
    let (numbered, _) = parsed("ip lan1 address 192.168.100.1/24\npp select 3\n ip pp remote address dhcpc lan1\n");
    assert_eq!(numbered.pps[&3].from_lan.as_deref(), Some("lan1"));
    assert!(!numbered.pps[&3].from_scopes && numbered.pps[&3].remote_address.is_none());
}

#[test]
fn nothing_is_wrong_with_a_lan_that_is_there_and_answers_for_callers() {
    let (_, told) = parsed(ASKING);
    assert!(told.iter().all(|(severity, _)| *severity != Severity::Later), "{told:?}");
    assert!(!told.iter().any(|(_, told)| told.contains("dhcpc") || told.contains("proxyarp")), "{told:?}");
    assert!(!told.iter().any(|(_, told)| told.contains("has no address to give")), "{told:?}");
}

#[test]
fn a_lan_without_its_address_is_an_error_and_one_without_proxy_arp_a_warning() {
    let says = |text: &str, severity: Severity, words: &str| {
        let (_, told) = parsed(text);
        assert!(told.iter().any(|(found, told)| *found == severity && told.contains(words)), "{words}: {told:?}");
    };
    says(
        &ASKING.replace("ip lan1 address 192.168.100.1/24\n", ""),
        Severity::Error,
        "add ip lan1 address ADDRESS/MASK",
    );
    says(&ASKING.replace("dhcpc lan1", "dhcpc lan3"), Severity::Error, "add ip lan3 address ADDRESS/MASK");
    says(&ASKING.replace("ip lan1 proxyarp on\n", ""), Severity::Warning, "without ip lan1 proxyarp on");
    says(&ASKING.replace("dhcpc lan1", "dhcp lan1"), Severity::Error, "only dhcpc names a LAN");
    says(&ASKING.replace("dhcpc lan1", "dhcpc loopback1"), Severity::Error, "no DHCP server can be asked there");
}

#[test]
fn what_was_written_is_printed() {
    let (config, _) = parse(ASKING);
    assert!(config.show().contains(" ip pp remote address pool dhcpc lan1\n"), "{}", config.show());
}
