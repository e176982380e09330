//! Tarjan's strongly connected components, without recursion. Knows numbers only.

/// Returns the strongly connected components. A component comes after all components that it has edges to.
pub(crate) fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut order = vec![UNSEEN; edges.len()];
    let mut low = vec![UNSEEN; edges.len()];
    let mut waiting = vec![false; edges.len()];
    let mut stack = Vec::new();
    let mut found = Vec::new();
    let mut next = 0;
    for root in 0..edges.len() {
        if order[root] != UNSEEN {
            continue;
        }
        // The nodes on the current path, each with the next edge to follow.
        let mut way = vec![(root, 0)];
        while let Some(&mut (node, ref mut edge)) = way.last_mut() {
            if *edge == 0 && order[node] == UNSEEN {
                (order[node], low[node]) = (next, next);
                next += 1;
                stack.push(node);
                waiting[node] = true;
            }
            if let Some(&to) = edges[node].get(*edge) {
                *edge += 1;
                if order[to] == UNSEEN {
                    way.push((to, 0));
                } else if waiting[to] {
                    low[node] = low[node].min(order[to]);
                }
                continue;
            }
            way.pop();
            if let Some(&(parent, _)) = way.last() {
                low[parent] = low[parent].min(low[node]);
            }
            if low[node] == order[node] {
                let from = stack.iter().rposition(|&other| other == node).unwrap_or(0);
                let group = stack.split_off(from);
                for &member in &group {
                    waiting[member] = false;
                }
                found.push(group);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn what_leads_to_each_other_is_one_group_and_comes_after_what_it_leads_to() {
        // 0 -> 1 <-> 2 -> 3, 4 -> 4, 5
        let found = components(&[vec![1], vec![2], vec![1, 3], vec![], vec![4], vec![]]);
        let mut sorted: Vec<Vec<usize>> = found
            .into_iter()
            .map(|mut group| {
                group.sort_unstable();
                group
            })
            .collect();
        assert_eq!(sorted, [vec![3], vec![1, 2], vec![0], vec![4], vec![5]]);
        sorted.clear();
        assert!(components(&[]).is_empty());
    }
}
