//! PPTP's formats: control messages, enhanced GRE, and CCP's option and packets for MPPE.

pub mod ccp;
pub mod gre;
pub mod pptp;
