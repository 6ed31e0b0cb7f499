//! The currencies of ISO 4217 and their minor units.

use crate::engine::value::Currency;

/// Codes by the number of decimals that their minor unit has (ISO 4217 List One; funds and metals, which have none, are left out).
const BY_MINOR_UNITS: [(u32, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY \
         COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR \
         JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO \
         NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS \
         TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

impl Currency {
    /// The currency of a code.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        let letters: [u8; 3] = code.as_bytes().try_into().ok()?;
        let it = Self(letters);
        it.minor_units().map(|_| it)
    }

    /// How many decimals its minor unit has; `None` when ISO 4217 does not know the code.
    #[must_use]
    pub fn minor_units(self) -> Option<u32> {
        let listed = |codes: &str| codes.as_bytes().chunks(4).any(|code| code.starts_with(&self.0));
        // Most currencies have two decimals: that list is searched first.
        let order = [1, 0, 2, 3];
        order.iter().filter_map(|it| BY_MINOR_UNITS.get(*it)).find(|(_, codes)| listed(codes)).map(|(units, _)| *units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_those_of_iso_4217() {
        for (code, units) in [("KES", Some(2)), ("JPY", Some(0)), ("BHD", Some(3)), ("CLF", Some(4)), ("ZWG", Some(2)), ("AED", Some(2))] {
            assert_eq!(Currency::of(code).and_then(Currency::minor_units), units, "{code}");
        }
    }

    #[test]
    fn what_is_no_code_is_no_currency() {
        for code in ["", "KE", "kes", "KESX", "ABC", "ES ", "D A", "€"] {
            assert_eq!(Currency::of(code), None, "{code:?}");
        }
    }
}
