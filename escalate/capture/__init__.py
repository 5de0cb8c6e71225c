"""Networks of torch and ONNX, read into one exact graph of layers.

What knows an export format belongs here; what computes with a network does not.
"""
