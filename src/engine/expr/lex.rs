//! Expression text → tokens.

use rust_decimal::Decimal;
use winnow::ascii::{digit1, multispace0};
use winnow::combinator::{alt, opt, preceded, trace};
use winnow::error::ContextError;
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location as _};
use winnow::token::{any, one_of, take_while};

use super::ast::{Problem, Span};
use crate::engine::decimal;

/// Longest text of an expression, in bytes.
pub const TEXT_MAX: usize = 10_000;

/// A token and its bytes in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its bytes.
    pub span: Span,
    /// What it is.
    pub kind: TokenKind,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenKind {
    /// `42`
    Int(i64),
    /// `1.50`
    Decimal(Decimal),
    /// `"text"` or `'text'`
    Text(String),
    /// A name or a keyword.
    Name(String),
    /// An operator or a bracket.
    Sign(&'static str),
    /// Behind the last token.
    End,
}

/// Longer ones first: `<=` is not `<` and `=`.
const SIGNS: [&str; 19] = ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "!", "?", ":", ".", ",", "(", ")", "="];

type Input<'t> = LocatingSlice<&'t str>;
type Lexed<T> = Result<T, ContextError>;

/// The tokens of a text; the last one is [`TokenKind::End`].
///
/// # Errors
/// At the first character that begins no token.
pub fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    if TEXT_MAX < text.len() {
        return Err(Problem::new(0..0, format!("the expression is longer than {TEXT_MAX} bytes"), "give parts of it names with `let`"));
    }
    let mut input = LocatingSlice::new(text);
    let mut tokens = Vec::new();
    loop {
        let blank: Lexed<&str> = multispace0.parse_next(&mut input);
        let start = input.current_token_start();
        if blank.is_err() || input.is_empty() {
            let end = text.trim_end().len();
            tokens.push(Token { span: end..end, kind: TokenKind::End });
            return Ok(tokens);
        }
        match token(&mut input) {
            Ok(kind) => tokens.push(Token { span: start..input.current_token_start(), kind }),
            Err(_) => return Err(not_a_token(text, start)),
        }
    }
}

fn token(input: &mut Input<'_>) -> Lexed<TokenKind> {
    trace("token", alt((number, quoted.map(TokenKind::Text), name, sign))).parse_next(input)
}

fn name(input: &mut Input<'_>) -> Lexed<TokenKind> {
    let first = one_of(|it: char| it.is_ascii_alphabetic() || it == '_');
    let rest = take_while(0.., |it: char| it.is_ascii_alphanumeric() || it == '_');
    (first, rest).take().map(|it: &str| TokenKind::Name(it.to_owned())).parse_next(input)
}

fn sign(input: &mut Input<'_>) -> Lexed<TokenKind> {
    let rest: &str = input.as_ref();
    // A single `=` is none: it is told apart in `not_a_token`.
    let found = SIGNS.iter().find(|it| **it != "=" && rest.starts_with(**it));
    match found {
        Some(it) => (*it).map(|_| TokenKind::Sign(it)).parse_next(input),
        None => Err(ContextError::new()),
    }
}

/// `42`, `1.50`; not `1.`, `.5`, `1e3`, `2x`.
fn number(input: &mut Input<'_>) -> Lexed<TokenKind> {
    let digits: &str = (digit1, opt(preceded('.', digit1))).take().parse_next(input)?;
    let rest: &str = input.as_ref();
    if rest.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_') {
        return Err(ContextError::new());
    }
    let kind = if digits.contains('.') { decimal::parse(digits).map(TokenKind::Decimal) } else { digits.parse().ok().map(TokenKind::Int) };
    kind.ok_or_else(ContextError::new)
}

fn quoted(input: &mut Input<'_>) -> Lexed<String> {
    let quote = one_of(['"', '\'']).parse_next(input)?;
    let mut text = String::new();
    loop {
        match any.parse_next(input)? {
            it if it == quote => return Ok(text),
            '\\' => text.push(match any.parse_next(input)? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                it @ ('\\' | '"' | '\'') => it,
                'u' => {
                    let digits: &str = take_while(4, |it: char| it.is_ascii_hexdigit()).parse_next(input)?;
                    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).ok_or_else(ContextError::new)?
                }
                _ => return Err(ContextError::new()),
            }),
            it => text.push(it),
        }
    }
}

/// What is wrong where no token begins.
fn not_a_token(text: &str, at: usize) -> Problem {
    let rest = text.get(at..).unwrap_or_default();
    let first = rest.chars().next().unwrap_or(' ');
    let word = rest.split(|it: char| !it.is_ascii_alphanumeric() && it != '.' && it != '_').next().unwrap_or_default();
    let one = at..at + first.len_utf8();
    let all = at..text.trim_end().len();
    let number = at..at + word.len();
    match first {
        '"' | '\'' if escape_is_known(rest, first) => Problem::new(
            all,
            "the text has no closing quote",
            "close it; in a plain YAML scalar ` #` begins a comment and cuts the text off: such an expression belongs in a block (`|`)",
        ),
        '"' | '\'' => Problem::new(all, "an unknown escape", "the escapes are \\\\ \\\" \\' \\n \\t \\r \\u0041"),
        '=' => Problem::new(one, "`=` is no operator", "`==` compares"),
        '&' => Problem::new(one, "`&` is no operator", "`&&` means and"),
        '|' => Problem::new(one, "`|` is no operator", "`||` means or"),
        '/' | '%' => Problem::new(
            one,
            format!("`{first}` is no operator: a quotient has no exact decimal in general"),
            "multiply by a decimal, such as `* 0.01`",
        ),
        '[' | ']' | '{' | '}' => {
            Problem::new(one, format!("`{first}` has no meaning in an expression"), "lists and objects can't be made or taken apart here")
        }
        _ if first.is_ascii_digit() && word.bytes().all(|it| it.is_ascii_digit()) => Problem::new(
            number,
            format!("`{word}` is too large for an int"),
            "an int has 64 bits; for more digits write a decimal, at most 18 before the point",
        ),
        _ if first.is_ascii_digit() => Problem::new(
            number,
            format!("`{word}` is no number"),
            "write it as `12` or `12.50`, with at most 18 digits before the point and 8 behind it",
        ),
        _ => Problem::new(one, format!("`{first}` has no meaning in an expression"), "remove it, or put it in quotes"),
    }
}

/// Whether all escapes of a quoted text are known, so that what it lacks is its end.
fn escape_is_known(text: &str, quote: char) -> bool {
    let mut letters = text.chars().skip(1);
    while let Some(it) = letters.next() {
        if it == quote {
            return false;
        }
        if it == '\\' && !matches!(letters.next(), Some('n' | 't' | 'r' | '\\' | '"' | '\'' | 'u')) {
            return false;
        }
    }
    true
}
