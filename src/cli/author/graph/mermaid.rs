//! The graph for Mermaid.

use super::Drawing;
use crate::engine::plan::Plan;
use crate::engine::topology::describe::{Beside, Picture};

pub(super) fn draw(plan: &Plan) -> String {
    let drawing = Drawing::of(plan);
    let mut text = String::from("flowchart LR\n");
    for (name, number) in &drawing.topics {
        line(&mut text, 1, &format!("t{number}[({})]:::topic", quoted(name)));
    }
    let mut part = 0;
    for (number, (topology, pictures)) in drawing.topologies.iter().enumerate() {
        line(&mut text, 1, &format!("subgraph topology{number}[{}]", quoted(topology)));
        for picture in pictures {
            inside(&mut text, picture, part);
            part += 1;
        }
        line(&mut text, 1, "end");
    }
    let pictures = drawing.topologies.iter().flat_map(|(_, pictures)| pictures);
    for (part, picture) in pictures.enumerate() {
        across(&mut text, &drawing, picture, part);
    }
    text + "  classDef topic fill:#d9e8f6,stroke:#52606d\n  classDef store fill:#fbeecb,stroke:#52606d\n"
}

/// Steps and stores, within their subtopology.
fn inside(text: &mut String, picture: &Picture<'_>, part: usize) {
    line(text, 2, &format!("subgraph part{part}[{}]", quoted(&picture.part.name)));
    for (index, node) in picture.nodes.iter().enumerate().skip(1) {
        line(text, 3, &format!("n{part}_{index}[{}]", quoted(&format!("{}<br>{}", node.operator, node.id))));
        if let Beside::Store(store) = node.beside {
            line(text, 3, &format!("s{part}_{index}[[{}]]:::store", quoted(store)));
            line(text, 3, &format!("n{part}_{index} <-.-> s{part}_{index}"));
        }
    }
    for (index, node) in picture.nodes.iter().enumerate().skip(1) {
        for next in &node.next {
            line(text, 3, &format!("n{part}_{index} --> n{part}_{next}"));
        }
    }
    line(text, 2, "end");
}

/// What goes from and to topics.
fn across(text: &mut String, drawing: &Drawing<'_>, picture: &Picture<'_>, part: usize) {
    let Some((source, steps)) = picture.nodes.split_first() else { return };
    if let Beside::From(topic) = source.beside {
        for next in &source.next {
            line(text, 1, &format!("t{} --> n{part}_{next}", drawing.topic(topic)));
        }
    }
    for (index, node) in steps.iter().enumerate() {
        if let Beside::To(topic) = node.beside {
            line(text, 1, &format!("n{part}_{} --> t{}", index + 1, drawing.topic(topic)));
        }
    }
    if let Some(topic) = picture.dead_letters() {
        line(text, 1, &format!("part{part} -. dead letters .-> t{}", drawing.topic(topic)));
    }
}

fn line(text: &mut String, depth: usize, content: &str) {
    text.push_str(&format!("{:width$}{content}\n", "", width = depth * 2));
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "#quot;"))
}
