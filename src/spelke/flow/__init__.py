"""Optical flow: warping, occlusion, file formats, colours, estimators.

A flow is `(2, height, width)` float32, channel 0 = dx, channel 1 = dy, in pixels of the frame that
it starts from.
"""
