//! Tokens → tree, by binding strength: `||` binds least, then `&&`, comparisons, `+ -`, `*`, signs, `.`; `?:` less than all.
//!
//! CEL's grammar without lists, maps, division and `in`; behind the whole there may be `else reject(CODE)` or `else stop`.

use super::ast::{Ast, Kind, Name, Parsed, Problem, Span};
use super::lex::{self, Token, TokenKind};
use super::{Arithmetic, Comparison, Otherwise};

/// Deepest nesting of brackets, and most operators: together they bound how deep the tree is, so that it can't exhaust the stack.
const DEPTH_MAX: usize = 100;
const OPERATORS_MAX: usize = 200;

/// Reads an expression.
///
/// # Errors
/// The first thing that is no expression.
pub fn parse(text: &str) -> Result<Parsed, Problem> {
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, operators: 0 };
    if parser.token().kind == TokenKind::End {
        return Err(Problem::new(0..0, "an expression is missing", "write one, such as `event.amount`"));
    }
    let ast = parser.expression()?;
    let otherwise = parser.otherwise()?;
    match &parser.token().kind {
        TokenKind::End => Ok(Parsed { ast, otherwise }),
        _ => Err(parser.left_over()),
    }
}

/// Reads what stands behind `else`: `reject(CODE)` or `stop`.
///
/// # Errors
/// When it is neither.
pub fn parse_otherwise(text: &str) -> Result<Otherwise, Problem> {
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, operators: 0 };
    let outcome = parser.outcome()?;
    match &parser.token().kind {
        TokenKind::End => Ok(outcome),
        _ => Err(parser.left_over()),
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    operators: usize,
}

const END: Token = Token { span: 0..0, kind: TokenKind::End };

const OUTCOMES: &str = "write `reject(CODE)`, with a code in capitals such as AMOUNT, or `stop`";

impl<'t> Parser<'t> {
    fn token(&self) -> &'t Token {
        self.tokens.get(self.at).or(self.tokens.last()).unwrap_or(&END)
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    /// Takes the sign if it is the next token.
    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.token().kind, TokenKind::Sign(it) if it == sign);
        if found {
            self.advance();
        }
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(&self.token().kind, TokenKind::Name(it) if it == word);
        if found {
            self.advance();
        }
        found
    }

    /// One level down.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        self.depth += 1;
        if DEPTH_MAX < self.depth {
            return Err(Problem::new(self.token().span.clone(), "the expression is too deep", "give parts of it names with `let`"));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Counts an operator.
    fn operator(&mut self) -> Result<(), Problem> {
        self.operators += 1;
        if self.operators <= OPERATORS_MAX {
            return Ok(());
        }
        Err(Problem::new(self.token().span.clone(), "the expression is too long", "give parts of it names with `let`"))
    }

    fn expression(&mut self) -> Result<Ast, Problem> {
        self.deeper(|it| {
            let condition = it.binary(0)?;
            if !it.sign("?") {
                return Ok(condition);
            }
            let yes = it.expression()?;
            if !it.sign(":") {
                return Err(it.expected("`:` and what to take otherwise"));
            }
            let no = it.expression()?;
            Ok(Ast { span: condition.span.start..no.span.end, kind: Kind::If(Box::new(condition), Box::new(yes), Box::new(no)) })
        })
    }

    /// Operators that bind at least as strongly as `least`; equally strong ones group to the left.
    fn binary(&mut self, least: u8) -> Result<Ast, Problem> {
        let mut left = self.unary()?;
        loop {
            let TokenKind::Sign(sign) = self.token().kind else { return Ok(left) };
            let Some(strength) = strength(sign).filter(|it| least <= *it) else { return Ok(left) };
            self.operator()?;
            self.advance();
            let right = self.deeper(|it| it.binary(strength + 1))?;
            if strength == COMPARISONS
                && let TokenKind::Sign(next) = self.token().kind
                && self::strength(next) == Some(COMPARISONS)
            {
                return Err(Problem::new(self.token().span.clone(), "comparisons can't be chained", "join them: `a < b && b < c`"));
            }
            left = Ast { span: left.span.start..right.span.end, kind: joined(sign, Box::new(left), Box::new(right)) };
        }
    }

    fn unary(&mut self) -> Result<Ast, Problem> {
        let start = self.token().span.start;
        let not = self.sign("!");
        if !not && !self.sign("-") {
            return self.postfix();
        }
        let of = self.deeper(Self::unary)?;
        let span = start..of.span.end;
        Ok(Ast { span, kind: if not { Kind::Not(Box::new(of)) } else { Kind::Negative(Box::new(of)) } })
    }

    fn postfix(&mut self) -> Result<Ast, Problem> {
        let mut of = self.operand()?;
        while self.sign(".") {
            self.operator()?;
            let name = self.name("a field's name behind the `.`")?;
            if self.sign("(") {
                let (mut arguments, end) = self.arguments()?;
                arguments.insert(0, of);
                let start = arguments.first().map_or(name.span.start, |it| it.span.start);
                of = Ast { span: start..end, kind: Kind::Call(name, arguments) };
            } else {
                of = Ast { span: of.span.start..name.span.end, kind: Kind::Member(Box::new(of), name) };
            }
        }
        Ok(of)
    }

    fn operand(&mut self) -> Result<Ast, Problem> {
        let Token { span, kind } = self.token();
        let span = span.clone();
        let kind = match kind {
            TokenKind::Int(it) => Kind::Int(*it),
            TokenKind::Decimal(it) => Kind::Decimal(*it),
            TokenKind::Text(it) => Kind::Text(it.clone()),
            TokenKind::Name(it) => match it.as_str() {
                "null" => Kind::Null,
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "else" => return Err(self.expected("an expression")),
                _ => return self.named(it),
            },
            TokenKind::Sign("(") => {
                self.advance();
                let mut inner = self.expression()?;
                let end = self.closed()?;
                inner.span = span.start..end;
                return Ok(inner);
            }
            TokenKind::Sign(_) | TokenKind::End => return Err(self.expected("a value")),
        };
        self.advance();
        Ok(Ast { span, kind })
    }

    fn named(&mut self, text: &str) -> Result<Ast, Problem> {
        let name = Name { text: text.to_owned(), span: self.token().span.clone() };
        self.advance();
        if !self.sign("(") {
            return Ok(Ast { span: name.span, kind: Kind::Name(name.text) });
        }
        let (arguments, end) = self.arguments()?;
        Ok(Ast { span: name.span.start..end, kind: Kind::Call(name, arguments) })
    }

    /// What stands behind `(`, and where it ends.
    fn arguments(&mut self) -> Result<(Vec<Ast>, usize), Problem> {
        let mut arguments = Vec::new();
        if matches!(self.token().kind, TokenKind::Sign(")")) {
            return Ok((arguments, self.closed()?));
        }
        loop {
            arguments.push(self.expression()?);
            if !self.sign(",") {
                return Ok((arguments, self.closed()?));
            }
        }
    }

    fn closed(&mut self) -> Result<usize, Problem> {
        let end = self.token().span.end;
        if self.sign(")") {
            return Ok(end);
        }
        let mut problem = self.expected("`)`");
        if self.token().kind == TokenKind::End {
            problem.hint =
                "close the bracket; inside `{ … }` and `[ … ]` YAML ends a value at a comma: such an expression belongs in a block (`|`)"
                    .to_owned();
        }
        Err(problem)
    }

    fn name(&mut self, what: &str) -> Result<Name, Problem> {
        match &self.token().kind {
            TokenKind::Name(it) => {
                let name = Name { text: it.clone(), span: self.token().span.clone() };
                self.advance();
                Ok(name)
            }
            TokenKind::Int(_) | TokenKind::Decimal(_) | TokenKind::Text(_) | TokenKind::Sign(_) | TokenKind::End => {
                Err(self.expected(what))
            }
        }
    }

    fn otherwise(&mut self) -> Result<Option<(Otherwise, Span)>, Problem> {
        let start = self.token().span.start;
        if !self.word("else") {
            return Ok(None);
        }
        let outcome = self.outcome()?;
        let end = self.tokens.get(self.at.saturating_sub(1)).map_or(start, |it| it.span.end);
        Ok(Some((outcome, start..end)))
    }

    fn outcome(&mut self) -> Result<Otherwise, Problem> {
        if self.word("stop") {
            return Ok(Otherwise::Stop);
        }
        if !self.word("reject") || !self.sign("(") {
            return Err(Problem::new(self.token().span.clone(), format!("{} is no outcome", self.described()), OUTCOMES));
        }
        let span = self.token().span.clone();
        let code = match &self.token().kind {
            TokenKind::Name(it) => it.clone(),
            TokenKind::Int(_) | TokenKind::Decimal(_) | TokenKind::Text(_) | TokenKind::Sign(_) | TokenKind::End => {
                return Err(Problem::new(span, format!("{} is no code", self.described()), OUTCOMES));
            }
        };
        if !is_code(&code) {
            return Err(Problem::new(
                span,
                format!("`{code}` is no code"),
                "a code has capitals, digits and `_`, such as AMOUNT or TOO_MANY",
            ));
        }
        self.advance();
        self.closed()?;
        Ok(Otherwise::Reject(code))
    }

    fn described(&self) -> String {
        match &self.token().kind {
            TokenKind::Int(it) => format!("`{it}`"),
            TokenKind::Decimal(it) => format!("`{it}`"),
            TokenKind::Text(it) => format!("{it:?}"),
            TokenKind::Name(it) => format!("`{it}`"),
            TokenKind::Sign(it) => format!("`{it}`"),
            TokenKind::End => "the end".to_owned(),
        }
    }

    fn expected(&self, what: &str) -> Problem {
        let span = self.token().span.clone();
        Problem::new(span, format!("{what} is expected, not {}", self.described()), "complete the expression, or remove what is too much")
    }

    fn left_over(&self) -> Problem {
        let span = self.token().span.clone();
        let hint = match &self.token().kind {
            TokenKind::Name(it) if it == "and" => "`&&` means and",
            TokenKind::Name(it) if it == "or" => "`||` means or",
            TokenKind::Name(it) if it == "in" => "compare with each: `x == \"A\" || x == \"B\"`",
            TokenKind::Sign(")") => "there is no bracket to close",
            _ => "an operator is missing before it, or it is too much",
        };
        Problem::new(span, format!("{} is not expected here", self.described()), hint)
    }
}

const COMPARISONS: u8 = 2;

fn strength(sign: &str) -> Option<u8> {
    Some(match sign {
        "||" => 0,
        "&&" => 1,
        "==" | "!=" | "<" | "<=" | ">" | ">=" => COMPARISONS,
        "+" | "-" => 3,
        "*" => 4,
        _ => return None,
    })
}

fn joined(sign: &str, left: Box<Ast>, right: Box<Ast>) -> Kind {
    match sign {
        "||" => Kind::Or(left, right),
        "&&" => Kind::And(left, right),
        "==" => Kind::Equal(true, left, right),
        "!=" => Kind::Equal(false, left, right),
        "<" => Kind::Compare(Comparison::Less, left, right),
        "<=" => Kind::Compare(Comparison::LessOrEqual, left, right),
        ">" => Kind::Compare(Comparison::Greater, left, right),
        ">=" => Kind::Compare(Comparison::GreaterOrEqual, left, right),
        "+" => Kind::Arithmetic(Arithmetic::Add, left, right),
        "-" => Kind::Arithmetic(Arithmetic::Subtract, left, right),
        _ => Kind::Arithmetic(Arithmetic::Multiply, left, right),
    }
}

/// Whether a text is a code of dead letters: `[A-Z][A-Z0-9_]*`.
#[must_use]
pub fn is_code(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_uppercase())
        && text.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_')
}
