//! Amounts of tallies: whole numbers of 10^-8, so that sums are exact and owe nothing to the engine's own decimals.

/// An amount in units of 10^-8.
pub type Amount = i128;

/// Decimals of an [`Amount`].
const SCALE: usize = 8;

/// Reads `-12.50`. `None`: it is no such number, or has more than 8 decimals or 20 digits before them.
#[must_use]
pub fn parse(text: &str) -> Option<Amount> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |it| (-1, it));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let numbers = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if !numbers(whole) || !numbers(fraction) || 20 < whole.len() || SCALE < fraction.len() {
        return None;
    }
    let units: Amount = format!("{whole}{fraction:0<SCALE$}").parse().ok()?;
    Some(sign * units)
}

/// So many whole ones.
#[must_use]
pub fn whole(number: i64) -> Amount {
    Amount::from(number) * 100_000_000
}

/// Writes `-12.5`: without zeros at the end.
#[must_use]
pub fn text(amount: Amount) -> String {
    let text = decimal(amount, SCALE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes a number of units of the last of so many decimals.
#[must_use]
pub fn decimal(units: i128, scale: usize) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for (written, units, shown) in [
            ("0", 0, "0"),
            ("12.50", 1_250_000_000, "12.5"),
            ("-0.0001", -10_000, "-0.0001"),
            ("1000000", 100_000_000_000_000, "1000000"),
            ("-7.00000001", -700_000_001, "-7.00000001"),
        ] {
            assert_eq!(parse(written), Some(units), "{written}");
            assert_eq!(text(units), shown);
        }
        for wrong in ["", "-", "1.", ".5", "1e3", "1.123456789", "a"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
