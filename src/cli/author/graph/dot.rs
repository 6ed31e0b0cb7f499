//! The graph for Graphviz.

use super::Drawing;
use crate::engine::plan::Plan;
use crate::engine::topology::describe::{Beside, Picture};

const HEAD: &str = "\
digraph topologies {
  rankdir=LR; compound=true; newrank=true;
  graph [fontname=\"Helvetica\", fontsize=12, style=rounded, color=\"#9aa5b1\"];
  node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=white, color=\"#52606d\"];
  edge [color=\"#52606d\", arrowsize=0.7];
";

pub(super) fn draw(plan: &Plan) -> String {
    let drawing = Drawing::of(plan);
    let mut text = String::from(HEAD);
    for (name, number) in &drawing.topics {
        line(&mut text, 1, &format!("t{number} [label={}, shape=cylinder, style=filled, fillcolor=\"#d9e8f6\"];", quoted(name)));
    }
    let mut part = 0;
    for (number, (topology, pictures)) in drawing.topologies.iter().enumerate() {
        line(&mut text, 1, &format!("subgraph cluster_{number} {{"));
        line(&mut text, 2, &format!("label={}; bgcolor=\"#f5f7fa\";", quoted(topology)));
        for picture in pictures {
            inside(&mut text, picture, part);
            part += 1;
        }
        line(&mut text, 1, "}");
    }
    let pictures = drawing.topologies.iter().flat_map(|(_, pictures)| pictures);
    for (part, picture) in pictures.enumerate() {
        across(&mut text, &drawing, picture, part);
    }
    text + "}\n"
}

/// Steps and stores, within their subtopology.
fn inside(text: &mut String, picture: &Picture<'_>, part: usize) {
    line(text, 2, &format!("subgraph cluster_part_{part} {{"));
    line(text, 3, &format!("label={}; bgcolor=white;", quoted(&picture.part.name)));
    for (index, node) in picture.nodes.iter().enumerate().skip(1) {
        line(text, 3, &format!("n{part}_{index} [label={}];", quoted(&format!("{}\n{}", node.operator, node.id))));
        if let Beside::Store(store) = node.beside {
            line(text, 3, &format!("s{part}_{index} [label={}, shape=folder, style=filled, fillcolor=\"#fbeecb\"];", quoted(store)));
            line(text, 3, &format!("n{part}_{index} -> s{part}_{index} [dir=both, style=dotted];"));
        }
    }
    for (index, node) in picture.nodes.iter().enumerate().skip(1) {
        for next in &node.next {
            line(text, 3, &format!("n{part}_{index} -> n{part}_{next};"));
        }
    }
    line(text, 2, "}");
}

/// What goes from and to topics.
fn across(text: &mut String, drawing: &Drawing<'_>, picture: &Picture<'_>, part: usize) {
    let Some((source, steps)) = picture.nodes.split_first() else { return };
    if let Beside::From(topic) = source.beside {
        for next in &source.next {
            line(text, 1, &format!("t{} -> n{part}_{next};", drawing.topic(topic)));
        }
    }
    for (index, node) in steps.iter().enumerate() {
        if let Beside::To(topic) = node.beside {
            line(text, 1, &format!("n{part}_{} -> t{};", index + 1, drawing.topic(topic)));
        }
    }
    if let (Some(topic), Some(first)) = (picture.dead_letters(), source.next.first()) {
        let tail = format!("n{part}_{first} -> t{}", drawing.topic(topic));
        line(text, 1, &format!("{tail} [ltail=cluster_part_{part}, style=dashed, color=\"#c0392b\"];"));
    }
}

fn line(text: &mut String, depth: usize, content: &str) {
    text.push_str(&format!("{:width$}{content}\n", "", width = depth * 2));
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
