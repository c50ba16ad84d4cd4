"""A segment and a motion in space to what an editor of pictures needs: flow, patches, order."""
