//! What came of a scenario, as text for people.

use std::time::Duration;

use super::Play;
use super::course::Played;
use super::findings::{Compared, Found};

/// Differences of one comparison that are shown.
const DIFFERENCES_MAX: usize = 5;
/// Characters of an example that are shown.
const EXAMPLE_MAX: usize = 44;

/// The whole picture.
pub fn lines(play: &Play<'_>, played: &Played, found: &Found, remarks: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for (picture, shown) in play.scenario.pictures.iter().zip(&found.pictures) {
        let which = if picture.top.is_some() { "most first" } else { "first ones" };
        lines.push(String::new());
        lines.push(format!("{} ({} of {}, {which})", picture.title, shown.rows.len(), number(wide(shown.of))));
        lines.extend(columns(&picture.columns, &shown.rows));
    }
    lines.extend(dead_letters(found));
    lines.push(String::new());
    lines.push("How fast".to_owned());
    lines.push(format!("  {}", speed(played)));
    lines.push(String::new());
    lines.push(format!("Compared with the generator's own figures (seed {})", play.seed));
    for compared in &found.compared {
        lines.extend(comparison(compared));
    }
    lines.push(String::new());
    lines.extend(remarks.iter().cloned());
    let faults = found.faults();
    let figures: usize = found.compared.iter().filter(|it| it.differences.is_some()).map(|it| it.figures).sum();
    lines.push(match faults.len() {
        0 => format!("All {} figures are equal.", number(wide(figures))),
        n => format!("{n} of {} comparisons differ.", found.compared.len()),
    });
    lines
}

fn dead_letters(found: &Found) -> Vec<String> {
    let count: u64 = found.dead.values().map(|it| it.count).sum();
    let heading = ["reason", "topic", "records", "failed at", "one of them"].map(str::to_owned);
    let rows: Vec<Vec<String>> = found
        .dead
        .iter()
        .map(|((topic, reason), group)| vec![reason.clone(), topic.clone(), number(group.count), group.at.clone(), cut(&group.example)])
        .collect();
    let mut lines = vec![String::new(), format!("What could not be processed ({} dead letters; the rest went on)", number(count))];
    lines.extend(columns(&heading, &rows));
    lines
}

fn comparison(compared: &Compared) -> Vec<String> {
    let Compared { tally, place, figures, differences } = compared;
    let Some(differences) = differences else { return vec![format!("  -  {tally}: {place}: not seen from here")] };
    if differences.is_empty() {
        return vec![format!("  =  {tally}: {place}: all {} equal", number(wide(*figures)))];
    }
    let mut lines = vec![format!("  ≠  {tally}: {place}: {} of {} differ", number(wide(differences.len())), number(wide(*figures)))];
    lines.extend(differences.iter().take(DIFFERENCES_MAX).map(|it| format!("       {it}")));
    if DIFFERENCES_MAX < differences.len() {
        lines.push(format!("       and {} more", number(wide(differences.len() - DIFFERENCES_MAX))));
    }
    lines
}

fn speed(played: &Played) -> String {
    let millis = u64::try_from(played.took.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = played.records.saturating_mul(1_000) / millis;
    let Played { records, copies, .. } = played;
    let seconds = seconds(played.took);
    format!("{} records in {seconds} s, {} a second; {} of them were copies, without effect", number(*records), number(rate), number(*copies))
}

/// `2.4`
fn seconds(time: Duration) -> String {
    format!("{}.{}", time.as_secs(), time.subsec_millis() / 100)
}

/// Rows under their names, in columns, indented.
fn columns(names: &[String], rows: &[Vec<String>]) -> Vec<String> {
    let numeric = |n: usize| !rows.is_empty() && rows.iter().all(|row| row.get(n).is_some_and(|it| is_number(it)));
    let width = |n: usize| {
        let cells = rows.iter().filter_map(|row| row.get(n)).chain(names.get(n));
        cells.map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let shapes: Vec<(usize, bool)> = (0..names.len()).map(|n| (width(n), numeric(n))).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&shapes).map(|(cell, (width, numeric))| match numeric {
            true => format!("{cell:>width$}"),
            false => format!("{cell:width$}"),
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    std::iter::once(names).chain(rows.iter().map(Vec::as_slice)).map(line).collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | ',' | '-'))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= EXAMPLE_MAX { text.to_owned() } else { text.chars().take(EXAMPLE_MAX - 1).chain(['…']).collect() }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// `12,345`
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n != 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
