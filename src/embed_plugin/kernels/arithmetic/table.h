/* The functions of one instruction set. Before this come its registers, its products, and how much it attends at a time. */
#pragma once

#include "add_norm.h"
#include "attention.h"
#include "gelu.h"
#include "product.h"

#define TABLE(of, name_, multiply_)    \
  const Arithmetic of = {              \
      .name = name_,                   \
      .quantise = quantise,            \
      .multiply = multiply_,           \
      .activate = activate,            \
      .add_norm = add_norm,            \
      .attend = attend,                \
  }
