//! Events as they are found on the output topics, with just the fields that are checked.

use serde::Deserialize;

/// Where an event comes from.
#[derive(Deserialize)]
pub struct Metadata<'a> {
    pub source: &'a str,
    pub version: &'a str,
}

/// What every derived event has.
pub trait Derived<'a>: Deserialize<'a> {
    fn envelope(&self) -> (&'a str, &'a str, &'a str, &Metadata<'a>);
}

macro_rules! derived {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $of:ty),* }) => {
        $(#[$doc])*
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name<'a> {
            event_type: &'a str,
            event_id: &'a str,
            timestamp: &'a str,
            #[serde(borrow)]
            metadata: Metadata<'a>,
            $(pub $field: $of,)*
        }
        impl<'a> Derived<'a> for $name<'a> {
            fn envelope(&self) -> (&'a str, &'a str, &'a str, &Metadata<'a>) {
                (self.event_type, self.event_id, self.timestamp, &self.metadata)
            }
        }
    };
}

derived! {
    /// BALANCE_UPDATED
    Balance { wallet_id: u64, transaction_id: u64, delta: &'a str, balance: &'a str, currency: &'a str, sequence: u64 }
}
derived! {
    /// NOTIFICATION_REQUESTED
    Notification { template: &'a str, wallet_id: u64, transaction_id: u64, amount: &'a str, currency: &'a str }
}
derived! {
    /// SESSION_COUNTED
    Counted { user_id: &'a str, logins: u64, sessions: u64 }
}
