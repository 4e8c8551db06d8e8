//! The configuration that scenes begin with.

/// A configuration with so many tunnels: the key is `sim-psk`, the user `vpnuser`, the password `vpn-Passw0rd`.
pub fn config(tunnels: u32, extra: &[&str]) -> command::Config {
    // A template stands for the others only where there are some.
    let (bind, template, transport) = match tunnels {
        0 | 1 => ("tunnel1".to_owned(), String::new(), String::new()),
        n => (
            format!("tunnel1-tunnel{n}"),
            format!(" tunnel template 2-{n}\n"),
            format!("ipsec transport template 1 2-{n}\n"),
        ),
    };
    let text = format!(
        "ip lan1 address 192.168.100.1/24\nip lan1 proxyarp on\npp select anonymous\n pp bind {bind}\n \
         pp auth request mschap-v2\n pp auth username vpnuser vpn-Passw0rd\n pp auth username second Second-2\n \
         ppp ipcp ipaddress on\n ppp ipcp msext on\n \
         ip pp remote address pool 192.168.100.200-192.168.100.250\n ip pp mtu 1400\n pp enable anonymous\n\
         tunnel select 1\n{template} tunnel encapsulation l2tp\n ipsec tunnel 1\n  \
         ipsec sa policy 1 1 esp aes-cbc sha-hmac\n  ipsec ike keepalive use 1 off\n  \
         ipsec ike nat-traversal 1 on\n  ipsec ike pre-shared-key 1 text sim-psk\n  ipsec ike remote address 1 any\n \
         l2tp tunnel disconnect time off\n l2tp keepalive use on\n l2tp syslog on\n ip tunnel tcp mss limit auto\n \
         tunnel enable 1\nipsec auto refresh on\nipsec transport 1 1 udp 1701\n\
         {transport}dns server 192.168.100.10\ndns notice order msext server\n\
         {}\nl2tp service on\n",
        extra.join("\n")
    );
    let (config, problems) = command::parse(&text);
    let errors: Vec<_> = problems.iter().filter(|p| p.severity == command::Severity::Error).collect();
    assert!(errors.is_empty(), "the scene's configuration: {errors:?}");
    config
}
