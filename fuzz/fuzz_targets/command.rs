//! The command language: what is shown of any text that was taken reads back as the same configuration.
#![no_main]

use command::{Severity, parse, parse_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let _ = parse_request(text);
    let (config, problems) = parse(text);
    let _ = config.l2tp_tunnels();
    if problems.iter().all(|p| p.severity != Severity::Error) {
        let (again, _) = parse(&config.show());
        assert_eq!(again.show(), config.show());
    }
});
