"""The outlines of areas in a mask that comes row by row, exact to the pixel's edge."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Outline", "Ring", "Tracer"]

Ring = list[tuple[int, int]]
"""Corners (col, row) of a closed line; the first one is not repeated."""

_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Outline:
    """The rings around an area whose pixels are joined by their sides.

    Args:
        rings: The exterior, then the holes. No ring crosses itself or another, or runs
            through a corner twice; rings may touch at corners. Going along a ring, the
            area is to the right on a screen, whose rows run downwards.
        end: Row and column where the area was found to end.
    """

    rings: tuple[Ring, ...]
    end: tuple[int, int]


class Tracer:
    """Finds the outlines of areas in one pass, from the top row to the bottom one.

    Horizontal edges begin and end where a row's difference to the row above changes;
    each corner of an area is one end of one of them. Corners that follow each other in
    a column are the ends of a vertical edge. Of two pixels that touch at a corner
    alone, each has that corner for itself. What is remembered are the edges of areas
    that have not ended, and one number a column.

    Args:
        cols: Width of the mask.
    """

    def __init__(self, cols: int) -> None:
        self._row = 0
        self._above = np.zeros(cols + 2, np.int8)
        # In each column, the edge from whose end a vertical one goes down; -1: none.
        self._open = np.full(cols + 1, -1)
        self._edges = np.zeros((0, 3), np.int64)  # columns of tail and head; row
        self._next = np.zeros((0, 2), np.int64)  # an edge and the one after it
        self._links = np.zeros((0, 2), np.int64)  # edges around the same area

    def add(self, rows: NDArray[np.bool_]) -> list[Outline]:
        """Take the next rows, shape (rows, cols).

        Returns:
            The areas that are found to end above these rows or in them, in the order
            in which they end; it does not depend on how many rows come at once.
        """
        edges, follow, links = [self._edges], [self._next], [self._links]
        count = len(self._edges)
        for row in np.pad(rows, ((0, 0), (1, 1))).astype(np.int8):
            steps = row - self._above
            if steps.any():
                new = self._horizontal(steps)
                follow.append(self._vertical(row, new, first=count))
                links.append(self._spans(row, first=count))
                edges.append(new)
                count += len(new)
            self._above = row
            self._row += 1
        self._edges = np.concatenate(edges)
        self._next, self._links = np.concatenate(follow), np.concatenate(links)
        return self._finished()

    def finish(self) -> list[Outline]:
        """End all areas; what comes next is row 0 of another mask."""
        outlines = self.add(np.zeros((1, len(self._open) - 1), np.bool_))
        self._row = 0
        return outlines

    def _horizontal(self, steps: NDArray[np.int8]) -> _Ints:
        """The edges between this row and the one above, (edges, tail, head and row)."""
        (at,) = np.nonzero(steps[1:] != steps[:-1])
        starts, stops = at[steps[at + 1] != 0], at[steps[at] != 0]
        is_top = steps[starts + 1] > 0  # of the area; else it is a bottom edge
        tails, heads = np.where(is_top, starts, stops), np.where(is_top, stops, starts)
        return np.stack([tails, heads, np.full_like(tails, self._row)], axis=1)

    def _vertical(self, row: NDArray[np.int8], edges: _Ints, *, first: int) -> _Ints:
        """Close the vertical edges that end here and open others: who follows whom."""
        tails, heads, _ = edges.T
        cols, numbers = np.concatenate([tails, heads]), np.arange(len(edges)) + first
        numbers = np.concatenate([numbers, numbers])
        is_head = np.repeat([False, True], len(edges))
        is_top = np.concatenate([tails < heads] * 2)
        # With an edge above and one below, two pixels touch here at a corner: the one
        # under a top edge takes the edge below, the other the one above.
        from_above = self._above[cols] != self._above[cols + 1]
        goes_down = (row[cols] != row[cols + 1]) & (~from_above | is_top)
        ends = ~goes_down
        partners = self._open[cols[ends]]
        self._open[cols[ends]] = -1
        self._open[cols[goes_down]] = numbers[goes_down]
        ahead = np.where(is_head[ends], partners, numbers[ends])
        return np.stack([np.where(is_head[ends], numbers[ends], partners), ahead], 1)

    def _spans(self, row: NDArray[np.int8], *, first: int) -> _Ints:
        """Link the edges left and right of a run of pixels, if one of them is new."""
        (sides,) = np.nonzero(row[1:] != row[:-1])
        pairs = self._open[sides].reshape(-1, 2)
        return pairs[(pairs >= first).any(axis=1)]

    def _finished(self) -> list[Outline]:
        """Take out the areas whose edges are all closed, those that end first first."""
        count = len(self._edges)
        areas = _groups(count, np.concatenate([self._next, self._links]))
        is_pending = np.zeros(count, np.bool_)
        is_pending[areas[self._open[self._open >= 0]]] = True
        keep = is_pending[areas]
        after = np.zeros(count, np.int64)
        after[self._next[:, 0]] = self._next[:, 1]
        number = np.cumsum(~keep) - 1
        outlines = _outlines(self._edges[~keep], number[after[~keep]], areas[~keep])
        self._forget(keep)
        return outlines

    def _forget(self, keep: NDArray[np.bool_]) -> None:
        """Drop the other edges, and number those that are kept anew."""
        number = np.cumsum(keep) - 1
        self._edges = self._edges[keep]
        self._next = number[self._next[keep[self._next[:, 0]]]]
        self._links = number[self._links[keep[self._links[:, 0]]]]
        is_open = self._open >= 0
        self._open[is_open] = number[self._open[is_open]]


def _outlines(edges: _Ints, after: _Ints, areas: _Ints) -> list[Outline]:
    """Walk along all edges; each has one after it, of the same area."""
    tails, heads, rows = edges.T.tolist()
    follow, area_of = after.tolist(), areas.tolist()
    last = dict(zip(area_of, range(len(area_of)), strict=True))
    rings: dict[int, list[Ring]] = {area: [] for area in last}
    seen = [False] * len(tails)
    # The first edge of an area is at the top left of its exterior.
    for first, area in enumerate(area_of):
        if seen[first]:
            continue
        ring: Ring = []
        edge = first
        while not seen[edge]:
            seen[edge] = True
            ring += [(tails[edge], rows[edge]), (heads[edge], rows[edge])]
            edge = follow[edge]
        rings[area] += _untouched(ring)
    return [
        Outline(tuple(rings[area]), end=(rows[edge], tails[edge]))
        for area, edge in sorted(last.items(), key=lambda item: item[1])
    ]


def _untouched(ring: Ring) -> list[Ring]:
    """Cut a ring where it touches itself; the part with its first corner comes first.

    What is cut off an exterior are holes: were it part of the area, that would be
    joined by a corner alone.
    """
    if len(set(ring)) == len(ring):
        return [ring]
    cut: list[Ring] = []
    path: Ring = []
    place: dict[tuple[int, int], int] = {}
    for corner in ring:
        if corner in place:
            start = place[corner]
            cut.append(path[start:])
            for passed in path[start:]:
                del place[passed]
            del path[start:]
        place[corner] = len(path)
        path.append(corner)
    return [path, *cut]


def _groups(count: int, pairs: _Ints) -> _Ints:
    """For each of `count` items the number of the group that pairs join it to."""
    ones = np.ones(len(pairs), np.bool_)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)
