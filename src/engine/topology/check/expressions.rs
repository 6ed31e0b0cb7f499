//! Expressions of a topology file: where they stand, what they must be, and what becomes of the record when they fail.

use super::{Checking, Way};
use crate::engine::expr::ast::{Parsed, Problem, Span};
use crate::engine::expr::check;
use crate::engine::expr::checked::Checked;
use crate::engine::expr::scope::Scope;
use crate::engine::expr::{Otherwise, parse};
use crate::engine::topology::tree::{Kind, Node, Style};
use crate::engine::value::Type;

/// What else a place allows, besides an expression that can't fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `else …` behind what can fail.
    Binding,
    /// It may fail: the step says what becomes of the record.
    Settled,
    /// It must not fail.
    Sure,
}

impl Checking<'_, '_> {
    fn problems(&mut self, node: &Node, problems: Vec<Problem>) {
        let text = self.mistakes.text();
        for it in problems {
            self.mistakes.add(node.place(text, it.span), it.reason, it.hint);
        }
    }

    fn parsed(&mut self, node: &Node) -> Option<Parsed> {
        if node.kind == Kind::Broken {
            return None;
        }
        let Kind::Scalar(scalar) = &node.kind else {
            let hint = "write the expression behind the key, or indented in the next line behind `|`";
            return self.mistake(&node.span, format!("an expression is expected, not {}", node.described()), hint);
        };
        match parse::parse(&scalar.text) {
            Ok(it) => Some(it),
            Err(problem) => {
                self.problems(node, vec![problem]);
                None
            }
        }
    }

    fn expression(&mut self, node: &Node, scope: &Scope, way: &Way, place: Place) -> Option<(Checked, Option<Otherwise>)> {
        if let Kind::Scalar(scalar) = &node.kind
            && scalar.style == Style::Quoted
        {
            return Some((Checked::text(&scalar.text), None));
        }
        let Parsed { ast, otherwise } = self.parsed(node)?;
        let checked = check::check(&ast, scope).map_err(|it| self.problems(node, it)).ok();
        let otherwise = self.outcome(node, checked.as_ref(), otherwise, way, place);
        checked.map(|it| (it, otherwise))
    }

    /// Whether an `else` is where it must be, and nowhere else.
    fn outcome(
        &mut self,
        node: &Node,
        of: Option<&Checked>,
        otherwise: Option<(Otherwise, Span)>,
        way: &Way,
        place: Place,
    ) -> Option<Otherwise> {
        let fallible = of.and_then(|it| it.fallible.clone());
        let problem = match (otherwise, fallible) {
            (Some((_, span)), _) if place != Place::Binding => {
                let hint = match place {
                    Place::Settled => "the `else` of the step says what becomes of the record",
                    _ => "compute it in a `let` before, with `else`, and name it here",
                };
                Problem::new(span, "no `else` can stand here", hint)
            }
            (Some((_, span)), None) if of.is_some() => Problem::new(span, "this can't fail", "remove the `else`"),
            (Some((Otherwise::Reject(_), span)), _) if way.behind.is_some() => nothing_is_rejected(span, way),
            (Some((otherwise, _)), _) => return Some(otherwise),
            (None, Some((span, how))) if place == Place::Binding => {
                let hint = match way.behind {
                    None => "say what becomes of the record then: add `else reject(CODE)`, or `else stop`",
                    Some(_) => "add `else stop`: behind a `key` step nothing can be rejected",
                };
                Problem::new(span, format!("this can fail: {how}"), hint)
            }
            (None, Some((span, how))) if place == Place::Sure => {
                let hint = "compute it in a `let` before, with `else`, and name it here";
                Problem::new(span, format!("this can fail: {how}"), hint)
            }
            (None, _) => return None,
        };
        self.problems(node, vec![problem]);
        None
    }

    /// An expression that can't fail.
    pub(super) fn sure(&mut self, node: &Node, scope: &Scope, way: &Way) -> Option<Checked> {
        self.expression(node, scope, way, Place::Sure).map(|(it, _)| it)
    }

    /// An expression that may end with `else`.
    pub(super) fn binding(&mut self, node: &Node, scope: &Scope, way: &Way) -> Option<(Checked, Option<Otherwise>)> {
        let (checked, otherwise) = self.expression(node, scope, way, Place::Binding)?;
        if checked.of == Type::Null {
            return self.mistake(&node.span, "null alone has no type", "name something that can be null");
        }
        Some((checked, otherwise))
    }

    /// A condition that can't fail.
    pub(super) fn condition(&mut self, node: &Node, way: &Way) -> Option<Checked> {
        let checked = self.sure(node, &way.scope, way)?;
        self.is_condition(node, checked)
    }

    /// A condition that may fail: the step says what becomes of the record then.
    pub(super) fn settled_condition(&mut self, node: &Node, way: &Way) -> Option<Checked> {
        let (checked, _) = self.expression(node, &way.scope, way, Place::Settled)?;
        self.is_condition(node, checked)
    }

    fn is_condition(&mut self, node: &Node, checked: Checked) -> Option<Checked> {
        if checked.of == Type::Bool {
            return Some(checked);
        }
        let quoted = matches!(&node.kind, Kind::Scalar(it) if it.style == Style::Quoted);
        let hint = match quoted {
            true => "remove the quotes around it: what is quoted is a text, not an expression",
            false => "compare it with something, such as `x == …` or `x != null`",
        };
        self.mistake(&node.span, format!("a condition is needed, and this is of type {}", checked.of), hint)
    }

    /// Parts of a key.
    pub(super) fn key_parts(&mut self, nodes: &[&Node], scope: &Scope, way: &Way) -> Vec<Checked> {
        nodes.iter().filter_map(|it| self.key_part(it, scope, way)).collect()
    }

    /// A part of a key: of a type whose values are equal just when their text is.
    pub(super) fn key_part(&mut self, node: &Node, scope: &Scope, way: &Way) -> Option<Checked> {
        let checked = self.sure(node, scope, way)?;
        let hint = match &checked.of {
            Type::Int | Type::String | Type::Uuid | Type::Bool | Type::Time => return Some(checked),
            Type::Decimal | Type::Money => "1.0 and 1.00 are one number but two texts: take an int, a string, a uuid, a bool or a time",
            Type::Optional(_) | Type::Null => "a key can't be null: test it before in a `require` or `filter`, or use `coalesce`",
            Type::List | Type::Record(_) => "take an int, a string, a uuid, a bool or a time",
        };
        self.mistake(&node.span, format!("this is of type {}, which can't be part of a key", checked.of), hint)
    }

    /// What stands behind a step's `else:`.
    pub(super) fn otherwise(&mut self, node: &Node, way: &Way) -> Option<Otherwise> {
        if node.kind == Kind::Broken {
            return None;
        }
        let Kind::Scalar(scalar) = &node.kind else {
            return self.mistake(&node.span, format!("an outcome is expected, not {}", node.described()), "write `reject(CODE)` or `stop`");
        };
        let problem = match parse::parse_otherwise(&scalar.text) {
            Ok(Otherwise::Reject(_)) if way.behind.is_some() => nothing_is_rejected(0..scalar.text.len(), way),
            Ok(it) => return Some(it),
            Err(problem) => problem,
        };
        self.problems(node, vec![problem]);
        None
    }
}

fn nothing_is_rejected(span: Span, way: &Way) -> Problem {
    let key = way.behind.clone().unwrap_or_default();
    let hint = format!(
        "write `stop`, or move it before `{key}`: what was sent through a repartition topic is half done, and can't be a dead letter"
    );
    Problem::new(span, format!("nothing can be rejected behind the `key` step `{key}`"), hint)
}
