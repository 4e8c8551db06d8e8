//! ISAKMP: the input once as a whole message, once as payloads behind an octet that names the first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::isakmp::{
    Attribute, Delete, Fragment, Header, Identification, NatOa, Notification, PayloadType, SecurityAssociation, chain,
    encode_chain, vendor,
};

fuzz_target!(|data: &[u8]| {
    if let Ok((header, body)) = Header::decode(data) {
        assert_eq!(header.encode(body), data[..header.length as usize]);
        payloads(header.next, body);
    }
    if let Some((first, rest)) = data.split_first() {
        payloads(PayloadType::from(*first), rest);
    }
    if let Ok(attributes) = Attribute::decode_all(data) {
        assert_eq!(Attribute::encode_all(&attributes), data);
        for attribute in attributes {
            attribute.as_u64();
        }
    }
});

fn payloads(first: PayloadType, bytes: &[u8]) {
    let Ok(raws) = chain(first, bytes) else { return };
    let owned: Vec<_> = raws.iter().map(|raw| (raw.kind, raw.body.to_vec())).collect();
    let written = encode_chain(&owned);
    let again = chain(first, &written).expect("what was written can be read");
    assert!(again.iter().map(|raw| (raw.kind, raw.body)).eq(raws.iter().map(|raw| (raw.kind, raw.body))));
    for raw in raws {
        assert_eq!(&bytes[raw.start + 4..raw.end], raw.body);
        payload(raw.kind, raw.body);
    }
}

fn payload(kind: PayloadType, body: &[u8]) {
    match kind {
        PayloadType::Sa => {
            if let Ok(value) = SecurityAssociation::decode(body) {
                assert_eq!(SecurityAssociation::decode(&value.encode()).as_ref(), Ok(&value));
            }
        }
        PayloadType::Identification => {
            if let Ok(value) = Identification::decode(body) {
                assert_eq!(value.encode(), body);
            }
        }
        PayloadType::Notification => {
            if let Ok(value) = Notification::decode(body) {
                assert_eq!(value.encode(), body);
            }
        }
        PayloadType::Delete => {
            if let Ok(value) = Delete::decode(body) {
                assert_eq!(Delete::decode(&value.encode()).as_ref(), Ok(&value));
            }
        }
        PayloadType::NatOa | PayloadType::NatOaOld | PayloadType::NatOaDraft => {
            if let Ok(value) = NatOa::decode(body) {
                assert_eq!(NatOa::decode(&value.encode()).as_ref(), Ok(&value));
            }
        }
        PayloadType::Fragment => {
            if let Ok(value) = Fragment::decode(body) {
                assert_eq!(Fragment::decode(&value.encode()).as_ref(), Ok(&value));
            }
        }
        PayloadType::VendorId => {
            vendor::name(body);
        }
        _ => {}
    }
}
