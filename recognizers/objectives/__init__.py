"""Further terms of a training's loss, with parts of their own: second networks, projections, memories."""
