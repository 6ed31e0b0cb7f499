//! Probes: what makes an instance unready, and what makes it dead.

use goyt::runtime::open_task::State;

use super::site::{NOW, Site};
use super::wait;

fn ready(site: &Site) -> (u16, Vec<String>) {
    let answer = site.get("/readyz");
    let failing = |it: &serde_json::Value| (it["ok"] == false).then(|| format!("{}: {}", it["name"], it["detail"]).replace('"', ""));
    (answer.status, answer.json()["checks"].as_array().unwrap().iter().filter_map(failing).collect())
}

#[test]
fn an_instance_is_ready_when_it_has_its_place_and_all_its_tasks_run() {
    let site = Site::new();
    wait::until("Kafka to be asked", || (ready(&site).0 == 200).then_some(()));
    let mut picture = site.picture(|_| true);
    for (state, why) in [
        (State::Restoring, "shop.by-shop_1 restores its state"),
        (State::Suspended, "shop.by-shop_1 waits for the group"),
        (State::Stopped("its changelog is cut".into()), "shop.by-shop_1 stopped: its changelog is cut"),
    ] {
        picture.tasks.iter_mut().find(|it| it.id == "shop.by-shop_1").unwrap().state = state;
        site.board.put(picture.clone());
        assert_eq!(ready(&site), (503, vec![format!("tasks: 5 of 6 tasks run; {why}")]));
    }
    site.board.put(goyt::runtime::board::Picture { assigned: false, ..site.picture(|_| false) });
    assert_eq!(ready(&site), (503, vec!["assigned: 0 of 1 workers have their place in the group".to_owned()]));
    site.board.put(site.picture(|_| false));
    assert_eq!(ready(&site).0, 200, "a place without tasks is a place");
    site.board.take_down(&site.picture(|_| false));
    assert_eq!(ready(&site).0, 503, "a worker that has ended");
}

#[test]
fn an_instance_lives_as_long_as_its_loops_turn() {
    let site = Site::new();
    assert_eq!(site.get("/livez").status, 200);
    site.board.turn(1, NOW - 170_000);
    assert_eq!(site.get("/livez").status, 200);
    site.board.turn(1, NOW - 190_000);
    let answer = site.get("/livez");
    assert_eq!(answer.status, 503);
    insta::assert_snapshot!(answer.shown());
}
