"""Write, edit and save ONNX graphs."""
