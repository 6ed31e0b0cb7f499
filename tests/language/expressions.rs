//! The types of expressions, or what is said of their mistakes.

use goyt::engine::expr::scope::{Entry, Fields, Scope, Variable};
use goyt::engine::expr::{check, parse};
use goyt::engine::value::Type;

const EXPRESSIONS: &str = r#"
true
42
-42
1.50
"a \"quoted\" text"
'single'
null
int + 1
int + 1 * 2 - int2
decimal + 1
2 * decimal
int + decimal
money + money2
money - 1
money * 2
money * decimal
money * money2
money + decimal
-money
-string
string + "x"
time + 1
money > 0
0 <= money
money > 0.0
money > 100
money == 0
money != money2
money < money2
decimal >= 1
decimal == int
string < "b"
bool < true
uuid == "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
uuid == "no uuid"
time < "2025-12-28T10:00:00Z"
list == list
kind == "RED"
kind == "GREN"
"BLUE" != kind
int == null
maybe_int == null
maybe_int + 1
maybe_int != null && maybe_int > 0
maybe_int == null || maybe_int > 0
maybe_int != null || maybe_int > 0
!(maybe_int == null) && maybe_int > 0
!(maybe_int == null || bool) && maybe_int > 0
(maybe_int != null || bool) && maybe_int > 0
maybe_int != null ? maybe_int : 0
maybe_int == null ? maybe_int : 0
maybe_int == 3 && maybe_int > 0
maybe_int == maybe_int2 && maybe_int > 0
bool ? 1 : null
bool ? 1 : 1.5
bool ? 1.5 : 1
bool ? 1 : "a"
int ? 1 : 2
null == null
coalesce(maybe_int, 0)
coalesce(maybe_decimal, 0)
coalesce(maybe_int, maybe_int2)
coalesce(int, 0)
coalesce(maybe_int, "a")
money(decimal, string)
money(decimal, "EUR")
money(decimal, "EURO")
money(1.5, money.currency)
money(1, "EUR")
money("1.5", "EUR")
money(int, "EUR")
zero(string)
zero(money.currency)
zero(maybe_money.currency)
money.amount
money.amonut
int.amount
decimal(string)
decimal("1.50")
decimal("1,5")
decimal(int)
string(int)
string(money)
lower(string)
string.upper()
size(string) > 3
string.startsWith("a") && string.endsWith("b") || string.contains("c")
string.startsWith()
abs(-money)
abs(string)
now()
lowr(string)
unknown
event.nam
event
a
name
event.a.b
int = 1
int & 1
int / 2
int +
(int
int)
int int2
string and bool
1e5
1.
99999999999999999999
1 < 2 < 3
"open
"bad \q"
f(
!int
[1]
int else reject(amount)
int else
int else reject()
decimal(string) else stop
(decimal(string) else stop) + 1
"#;

/// What an expression is, in a `let` before a `key` step: its type, or its mistakes with the letters that they mean.
fn typed(expression: &str) -> String {
    let optional = |it: Type| Type::Optional(Box::new(it));
    let mut slot = 0;
    let mut variable = |of: Type| {
        slot += 1;
        Entry::Value(Variable { slot, of, one_of: Vec::new() })
    };
    let mut fields = Fields::new();
    for (name, of) in [
        ("bool", Type::Bool),
        ("int", Type::Int),
        ("int2", Type::Int),
        ("decimal", Type::Decimal),
        ("decimal2", Type::Decimal),
        ("money", Type::Money),
        ("money2", Type::Money),
        ("string", Type::String),
        ("time", Type::Time),
        ("uuid", Type::Uuid),
        ("list", Type::List),
    ] {
        fields.insert(name.to_owned(), variable(of.clone()));
        fields.insert(format!("maybe_{name}"), variable(optional(of)));
    }
    fields.insert("kind".into(), Entry::Value(Variable { slot: 99, of: Type::String, one_of: vec!["RED".into(), "GREEN".into()] }));
    fields.insert(
        "event".into(),
        Entry::Fields(Fields::from([("a".to_owned(), variable(Type::Int)), ("name".to_owned(), variable(Type::String))])),
    );
    let problem = |it: goyt::engine::expr::ast::Problem| format!("`{}`: {} ({})", expression.get(it.span).unwrap(), it.reason, it.hint);
    let parsed = match parse::parse(expression) {
        Ok(it) => it,
        Err(it) => return problem(it),
    };
    match check::check(&parsed.ast, &Scope { names: fields, facts: Default::default() }) {
        Ok(it) => match it.fallible {
            None => it.of.to_string(),
            Some((span, how)) => format!("{}; `{}` can fail: {how}", it.of, expression.get(span).unwrap()),
        },
        Err(problems) => problems.into_iter().map(problem).collect::<Vec<_>>().join("\n    "),
    }
}

#[test]
fn expressions_have_the_types_of_this_table() {
    let table: String = EXPRESSIONS.trim().lines().map(|it| format!("{it}\n    {}\n", typed(it))).collect();
    insta::assert_snapshot!(table);
}
